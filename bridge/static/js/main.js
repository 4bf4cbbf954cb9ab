// The dashboard: makes its parts and tells each what the service says.

import { Api } from "./api.js";
import { Attempts } from "./attempts.js";
import { CollectForm } from "./collect_form.js";
import { Datasets } from "./datasets.js";
import { DatasetView } from "./dataset_view.js";
import { byId, setHidden, setText } from "./element.js";
import { Jobs } from "./jobs.js";
import { LiveView } from "./live.js";
import { Notices } from "./notices.js";
import { Unreachable } from "./problem.js";
import { ProgressCard } from "./progress.js";
import { ServiceState } from "./service_state.js";
import { Session } from "./session.js";
import { Simulator } from "./simulator.js";
import { StatusFeed } from "./status_feed.js";

const LISTS_DELAY_MS = 400;
const LISTS_PERIOD_MS = 5000;
const SURROUNDINGS_RETRY_MS = 3000;
const NOT_READY = {
  starting: "The simulator is starting.",
  failed: "The simulator has failed.",
  collecting: "A collection is running.",
  stopping: "A collection is stopping.",
};

const UNLOADED = ["starting", "failed"]; // states in which there is no simulator to ask

class Dashboard {
  #api = new Api(() => this.#signedOut());
  #notices = new Notices();
  #session = new Session(this.#api, () => this.#begin());
  #feed = new StatusFeed(this.#api, {
    status: (status) => this.#showStatus(status),
    event: (kind, data) => kind === "episode" && this.#attempts.add(data),
    connection: (mode, retryInMs, why) => this.#showConnection(mode, retryInMs, why),
  });
  #service = new ServiceState(() => this.#feed.refresh());
  #live = new LiveView(this.#api);
  #attempts = new Attempts();
  #progress = new ProgressCard(this.#api, {
    stop: (mode) => this.#stop(mode),
    open: (name) => this.#view.open(name),
    resume: (jobId) => this.#jobs.resume(jobId),
  });
  #simulator = new Simulator(this.#api, {
    state: (state) => {
      this.#progress.setControlPeriod(state.control_period_s);
      this.#service.setSimulator(state.name);
    },
    error: (title, error) => this.#report("simulator", title, error),
  });
  #form = new CollectForm(this.#api, {
    started: (job) => this.#started(job),
    busy: (problem) => this.#busy(problem),
    unreachable: () => this.#feed.refresh(),
  });
  #jobs = new Jobs(this.#api, {
    loaded: () => this.#showNames(),
    open: (name) => this.#view.open(name),
    started: (job) => this.#started(job),
    refused: (job, error) => this.#resumeRefused(job, error),
  });
  #datasets = new Datasets(this.#api, {
    loaded: () => this.#showNames(),
    open: (name) => this.#view.open(name),
  });
  #view = new DatasetView(this.#api);
  #status = null;
  #readOnly = false;
  #startedJob = ""; // id of the one that this page has started and not shown yet
  #surroundings = false; // whether cameras, simulator and lists were read since the service was last away
  #listsOf = "";
  #listsTimer = 0;
  #listsAtMs = -Infinity;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      this.#feed.setHidden(document.hidden);
      if (document.hidden) this.#live.pause();
      else this.#live.resume();
    });
    addEventListener("pagehide", () => this.#live.pause());
    addEventListener("pageshow", (event) => event.persisted && this.#live.resume());
    this.#begin();
  }

  async #begin() {
    try {
      const session = await this.#api.session();
      this.#session.show(session);
      this.#setReadOnly(session.read_only);
      if (session.token_required && !session.authenticated) {
        this.#signedOut();
        return;
      }
    } catch (error) {
      if (!(error instanceof Unreachable)) this.#report("session", "The service refused this page", error);
    }
    this.#surroundings = false;
    this.#feed.start();
    this.#view.openFromAddress();
  }

  #signedOut() {
    this.#feed.stop();
    this.#live.stop();
    this.#service.setConnection("refused", 0, "");
    this.#session.ask();
  }

  #setReadOnly(readOnly) {
    this.#readOnly = readOnly;
    setHidden(byId("read-only-note"), !readOnly);
    this.#progress.setReadOnly(readOnly);
    this.#simulator.setReadOnly(readOnly);
    const first = "appears here with the first recorded episode.";
    setText(byId("datasets-empty-hint"), readOnly ? `A dataset ${first}` : `Start a collection. Its dataset ${first}`);
  }

  #showConnection(mode, retryInMs, why) {
    const before = document.body.dataset.connection;
    this.#service.setConnection(mode, retryInMs, why);
    for (const part of [this.#progress, this.#simulator, this.#jobs]) part.setReachable(mode !== "lost");
    if (mode === "lost") {
      this.#surroundings = false;
      if (before !== "lost") this.#notices.announce("The service cannot be reached. Trying again.");
    } else if (before === "lost") {
      this.#notices.announce("The service is back.");
    }
    if (this.#status) this.#showReadiness(this.#status);
  }

  #showStatus(status) {
    const before = this.#status;
    this.#status = status;
    if (status.read_only !== this.#readOnly) this.#setReadOnly(status.read_only);
    this.#service.show(status);
    this.#view.setDataRoot(status.data_root);
    this.#form.setDataRoot(status.data_root);
    this.#attempts.showJob(status.job_id);
    this.#progress.show(status);
    this.#jobs.follow(status);
    this.#datasets.follow(status);
    this.#showReadiness(status);
    this.#keepFocus();
    this.#announce(before, status);
    this.#refreshLists(status);
    if (!this.#surroundings) {
      this.#surroundings = true;
      this.#loadSurroundings();
    }
  }

  #showReadiness(status) {
    const running = status.state === "collecting" || status.state === "stopping";
    const lost = document.body.dataset.connection === "lost";
    setHidden(byId("simulator-failed"), status.state !== "failed");
    setText(byId("simulator-error"), status.state === "failed" ? (status.error ?? "No reason was given.") : "");
    setHidden(byId("collect"), this.#readOnly || running);
    this.#form.setReady(lost ? "The service cannot be reached." : (NOT_READY[status.state] ?? ""));
    this.#simulator.setIdle(status.state === "idle");
    this.#jobs.setCanResume(status.state === "idle" && !this.#readOnly);
  }

  #announce(before, status) {
    if (!before || (before.state === status.state && before.job_state === status.job_state)) return;
    const { completed, requested } = status.progress ?? {};
    const said = {
      starting: "The simulator is starting.",
      collecting: `Collecting ${status.dataset}.`,
      stopping: `Stopping the collection of ${status.dataset}.`,
      failed: "The simulator has failed.",
      idle: status.job_id ? `Collection ${status.job_state}: ${completed} of ${requested} episodes.` : "Idle.",
    };
    this.#notices.announce(said[status.state] ?? "");
  }

  /** Jobs and datasets are read again when an attempt or a job has ended, and not more often than they can matter. */
  #refreshLists(status) {
    const shown = [status.job_id, status.job_state, status.attempts, status.progress?.completed].join();
    if (shown === this.#listsOf) return;
    const running = this.#status.state === "collecting";
    this.#listsOf = shown;
    if (this.#listsTimer) return;
    const dueMs = running ? this.#listsAtMs + LISTS_PERIOD_MS - performance.now() : 0;
    this.#listsTimer = setTimeout(() => this.#loadLists(), Math.max(LISTS_DELAY_MS, dueMs));
  }

  #loadLists() {
    clearTimeout(this.#listsTimer);
    this.#listsTimer = 0;
    this.#listsAtMs = performance.now();
    return Promise.all([this.#jobs.load(), this.#datasets.load()]);
  }

  async #loadSurroundings() {
    if (!UNLOADED.includes(this.#status.state)) this.#simulator.load();
    this.#loadLists();
    try {
      const { cameras } = await this.#api.cameras();
      this.#live.show(cameras.map((camera) => camera.name));
      this.#session.show(await this.#api.session());
    } catch {
      setTimeout(() => {
        this.#surroundings = false; // the next status tries again
      }, SURROUNDINGS_RETRY_MS);
    }
  }

  #showNames() {
    const jobs = this.#jobs.names;
    const datasets = this.#datasets.names;
    this.#form.setNames([...new Set([...jobs, ...datasets])], datasets);
  }

  /** The button that was pressed to start goes away; whoever pressed it reads on at the job's progress. */
  #keepFocus() {
    if (!this.#startedJob || this.#status?.job_id !== this.#startedJob) return;
    this.#startedJob = "";
    const focused = document.activeElement;
    if (focused !== document.body && !focused.disabled && focused.checkVisibility()) return;
    byId("progress-title").focus({ preventScroll: true });
  }

  #started(job) {
    for (const topic of ["busy", "resume", "stop"]) this.#notices.clear(topic);
    this.#feed.refresh();
    byId("progress").scrollIntoView({ block: "nearest" });
    this.#startedJob = job.id;
    this.#keepFocus();
  }

  async #stop(mode) {
    try {
      this.#showStatus(await this.#api.stop(mode));
      this.#notices.clear("stop");
    } catch (error) {
      this.#report("stop", "The collection was not stopped", error);
    }
  }

  async #busy(problem) {
    this.#notices.show("busy", "Another collection is running", problem.message);
    this.#feed.refresh();
    if (!problem.jobId) return;
    try {
      const { dataset, progress } = await this.#api.job(problem.jobId);
      const counted = `${progress.completed} of ${progress.requested} episodes`;
      const detail = `Job ${problem.jobId} is collecting ${dataset}: ${counted} so far. Wait for it or stop it first.`;
      this.#notices.show("busy", "Another collection is running", detail);
    } catch {
      // The notice already says what the service said.
    }
  }

  #resumeRefused(job, error) {
    if (error.slug === "busy") this.#busy(error);
    else this.#report("resume", `${job?.dataset ?? "The job"} was not resumed`, error);
  }

  #report(topic, title, error) {
    if (error.status === 401) return; // the dialog asks
    const fields = error.fields ? [...error.fields].map(([name, message]) => `${name}: ${message}`) : [];
    this.#notices.show(topic, title, [error.message, ...fields].join(" "));
    if (error instanceof Unreachable) this.#feed.refresh();
  }
}

new Dashboard();
