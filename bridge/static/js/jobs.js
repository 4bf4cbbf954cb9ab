// The history of jobs.

import { byId, element, setFacts, setHidden, setText } from "./element.js";
import * as format from "./format.js";
import { IdempotencyKey } from "./idempotency_key.js";
import { stringify } from "./json.js";
import { RESUMABLE } from "./progress.js";
import { Rows } from "./rows.js";

const PAGES = [6, 50, 200, 500];

export class Jobs {
  #api;
  #on;
  #page = 0;
  #jobs = null;
  #running = null; // what the status says of its job, which is newer than the list
  #canResume = false;
  #reachable = true;
  #resuming = new Set(); // ids of the jobs whose Resume was pressed and is not answered
  #keys = new Map(); // job id to IdempotencyKey of its Resume button
  #rows;

  /** on.loaded(jobs), on.open(dataset), on.started(job), on.refused(job, error). */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
    this.#rows = new Rows(byId("jobs"), (job) => job.id, (job) => this.#makeRow(job));
    byId("jobs-more").addEventListener("click", () => {
      this.#page = Math.min(this.#page + 1, PAGES.length - 1);
      this.load();
    });
  }

  /** Of the datasets that the jobs wrote, the newest first. */
  get names() {
    return (this.#jobs ?? []).map((job) => job.dataset);
  }

  /** Whether a job may be resumed now. */
  setCanResume(canResume) {
    if (canResume === this.#canResume) return;
    this.#canResume = canResume;
    this.#show();
  }

  /** Whether the service can be told anything now. */
  setReachable(reachable) {
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    this.#show();
  }

  /** Keeps the row of the status's job in step with it. */
  follow({ job_id: id, job_state: state, progress, success_rate, finished_at }) {
    const before = this.#running;
    this.#running = id ? { id, state, progress, success_rate, finished_at } : null;
    const counted = (job) => [job?.id, job?.state, job?.progress.completed, job?.success_rate].join();
    if (counted(before) !== counted(this.#running)) this.#show();
  }

  async load() {
    const limit = PAGES[this.#page];
    try {
      this.#jobs = (await this.#api.jobs(limit)).jobs;
    } catch (error) {
      this.#fail(error.message);
      return;
    }
    this.#fail("");
    setHidden(byId("jobs-foot"), this.#jobs.length < limit || this.#page === PAGES.length - 1);
    this.#show();
    this.#on.loaded(this.#jobs);
  }

  /** Posts the job's request again, with resume. */
  async resume(jobId) {
    try {
      const job = this.#jobs?.find((known) => known.id === jobId) ?? (await this.#api.job(jobId));
      const request = { ...job.request, resume: true };
      if (!this.#keys.has(jobId)) this.#keys.set(jobId, new IdempotencyKey());
      const key = this.#keys.get(jobId);
      const started = await this.#api.start(request, key.for(stringify(request)));
      key.answered();
      this.#on.started(started);
    } catch (error) {
      if (error.status && error.slug !== "no-reply") this.#keys.delete(jobId);
      this.#on.refused(this.#jobs?.find((known) => known.id === jobId) ?? null, error);
    }
  }

  #fail(message) {
    setText(byId("jobs-error"), message && `The jobs could not be read. ${message}`);
    setHidden(byId("jobs-error"), message === "");
  }

  #show() {
    if (!this.#jobs) return; // not read yet
    setHidden(byId("jobs-empty"), this.#jobs.length > 0);
    setHidden(byId("jobs"), this.#jobs.length === 0);
    const seen = new Set();
    const items = this.#jobs.map((listed) => {
      const job = listed.id === this.#running?.id ? { ...listed, ...this.#running } : listed;
      const newest = !seen.has(job.dataset);
      seen.add(job.dataset);
      return { ...job, resumable: newest && this.#canResume && RESUMABLE.includes(job.state) };
    });
    this.#rows.show(items);
  }

  #makeRow({ id, dataset }) {
    const parts = {
      name: element("button", {
        class: "link name",
        type: "button",
        text: dataset,
        click: () => this.#on.open(dataset),
      }),
      badge: element("span", { class: "badge", "data-testid": "job-row-state" }),
      facts: element("p", { class: "row-facts numeric", "data-testid": "job-row-facts" }),
      error: element("p", { class: "row-error", "data-testid": "job-row-error" }),
      episodes: element("span", { class: "figure-value", "data-testid": "job-row-episodes" }),
      success: element("span", { class: "figure-value", "data-testid": "job-row-success" }),
      resume: element("button", {
        class: "button small",
        type: "button",
        text: "Resume",
        "aria-label": `Resume ${dataset}`,
        "data-testid": "job-resume",
        click: () => this.#press(id),
      }),
    };
    const root = element(
      "li",
      { class: "row", "data-testid": "job-row", "data-job": id },
      element(
        "div",
        { class: "row-main" },
        element("div", { class: "row-title" }, parts.name, parts.badge),
        parts.facts,
        parts.error,
      ),
      element("p", { class: "figure numeric" }, parts.episodes, element("span", { text: "episodes" })),
      element("p", { class: "figure numeric" }, parts.success, element("span", { text: "success" })),
      element("div", { class: "row-actions" }, parts.resume),
    );
    return { root, update: (job) => this.#update(parts, job) };
  }

  #update(parts, job) {
    setText(parts.badge, format.stateWord(job.state));
    parts.badge.dataset.state = job.state;
    const took = format.duration(format.secondsBetween(job.started_at, job.finished_at, this.#api.now()));
    const lasted = job.finished_at ? took : `${took} so far`;
    setFacts(parts.facts, [
      format.dayAndTime(job.started_at),
      lasted,
      `job ${job.id}`,
      ...format.variations(job.request),
    ]);
    parts.facts.title = format.fullTime(job.started_at);
    setText(parts.error, job.error ?? "");
    setHidden(parts.error, !job.error);
    parts.name.disabled = job.progress.completed === 0;
    const { completed, requested } = job.progress;
    setText(parts.episodes, `${format.integer(completed)} / ${format.integer(requested)}`);
    setText(parts.success, format.percent(job.success_rate));
    setHidden(parts.resume, !job.resumable);
    parts.resume.disabled = !this.#reachable || this.#resuming.has(job.id);
  }

  async #press(jobId) {
    this.#resuming.add(jobId);
    this.#show();
    await this.resume(jobId);
    this.#resuming.delete(jobId);
    this.#show();
  }
}
