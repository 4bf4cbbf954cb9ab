// The running collection, or how the last one ended.

import { byId, element, setHidden, setText } from "./element.js";
import * as format from "./format.js";

export const RUNNING = ["collecting", "stopping"];
export const RESUMABLE = ["interrupted", "stopped", "failed", "incomplete"];

export class ProgressCard {
  #api;
  #status = null;
  #controlPeriodS = null;
  #readOnly = false;
  #reachable = true;
  #root = byId("progress");
  #bar = byId("progress-bar");
  #fill = byId("progress-bar").firstElementChild;
  #failures = byId("failures");

  /** on.stop(mode), on.open(dataset), on.resume(jobId). */
  constructor(api, on) {
    this.#api = api;
    byId("stop-after").addEventListener("click", () => on.stop("after_episode"));
    byId("stop-now").addEventListener("click", () => on.stop("now"));
    byId("open-last").addEventListener("click", () => on.open(this.#status.dataset));
    byId("resume-last").addEventListener("click", () => on.resume(this.#status.job_id));
    setInterval(() => this.#showElapsed(), 1000);
  }

  setControlPeriod(seconds) {
    if (seconds === this.#controlPeriodS) return;
    this.#controlPeriodS = seconds;
    if (this.#status) this.show(this.#status);
  }

  setReadOnly(readOnly) {
    this.#readOnly = readOnly;
  }

  /** Whether the service can be told anything now. */
  setReachable(reachable) {
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    if (this.#status) this.show(this.#status);
  }

  show(status) {
    this.#status = status;
    setHidden(this.#root, !status.job_id);
    if (!status.job_id) return;
    const running = RUNNING.includes(status.job_state);
    this.#root.dataset.running = String(running);
    this.#root.dataset.state = status.job_state;
    this.#showHead(status);
    this.#showFigure(status, running);
    this.#showStats(status, running);
    this.#showFailures(status.failures);
    this.#showActions(status, running);
    this.#showElapsed();
  }

  #showHead(status) {
    setText(byId("progress-eyebrow"), RUNNING.includes(status.job_state) ? "Collection" : "Last collection");
    setText(byId("progress-title"), status.dataset ?? "");
    const badge = byId("job-state");
    setText(badge, format.stateWord(status.job_state));
    badge.dataset.state = status.job_state;
    const error = status.state === "failed" ? "" : (status.error ?? ""); // a failed simulator's error has its own card
    setText(byId("job-error"), error);
    setHidden(byId("job-error"), error === "");
  }

  #showFigure({ progress }, running) {
    const percent = Math.floor(Math.min(1, progress.fraction) * 1000) / 10;
    setText(byId("progress-completed"), format.integer(progress.completed));
    setText(byId("progress-requested"), format.integer(progress.requested));
    setText(byId("progress-percent"), `${percent === 100 ? 100 : percent.toFixed(1)}%`);
    this.#fill.style.transform = `scaleX(${Math.min(1, progress.fraction)})`;
    this.#bar.setAttribute("aria-valuenow", String(Math.floor(percent)));
    const spoken = `${progress.completed} of ${progress.requested} episodes`;
    if (this.#bar.getAttribute("aria-valuetext") !== spoken) this.#bar.setAttribute("aria-valuetext", spoken);
    setText(byId("progress-phase"), this.#phase(progress, running));
    const inEpisode = running && progress.frames > 0;
    setText(byId("progress-frame"), inEpisode ? `frame ${progress.frame} of ${progress.frames}` : "");
  }

  #phase(progress, running) {
    const givenUp = progress.exhausted ? `${progress.exhausted} given up after too many failed attempts.` : "";
    if (!running) return givenUp;
    if (progress.current_episode === null) return "Preparing the next episode";
    const attempt = progress.attempt ? `, attempt ${progress.attempt + 1}` : "";
    return `Episode ${progress.current_episode}${attempt}: ${format.phase(progress.phase).toLowerCase()}`;
  }

  #showStats(status, running) {
    setText(byId("stat-success"), format.percent(status.success_rate));
    const tries = `${format.integer(status.successes)} of ${format.integer(status.attempts)}`;
    setText(byId("stat-attempts"), status.attempts ? tries : "");
    setText(byId("stat-speed"), format.decimal(status.frames_per_s, status.frames_per_s < 10 ? 1 : 0));
    setHidden(byId("stat-speed-unit"), status.frames_per_s === null);
    setText(byId("stat-realtime"), format.realTime(status.frames_per_s, this.#controlPeriodS));
    setText(byId("stat-left-name"), running ? "Time left" : "Ended");
    const endMs = running ? Date.now() + status.eta_s * 1000 : Date.parse(status.finished_at ?? "");
    setText(byId("stat-left"), running ? format.duration(status.eta_s) : format.hourAndMinute(endMs));
    const whenDone = status.eta_s === null ? "" : `done at ${format.hourAndMinute(endMs)}`;
    setText(byId("stat-end"), running ? whenDone : format.day(endMs));
    setText(byId("stat-frames"), `${format.integer(status.frames)} frames`);
  }

  #showElapsed() {
    const status = this.#status;
    if (!status?.job_id || document.body.dataset.connection === "lost") return;
    const seconds = format.secondsBetween(status.started_at, status.finished_at, this.#api.now());
    setText(byId("stat-elapsed"), format.duration(seconds));
  }

  #showFailures(failures) {
    const counted = Object.entries(failures).sort((a, b) => b[1] - a[1]);
    const text = counted.map(([name, count]) => `${name} ${count}`).join();
    if (this.#failures.dataset.shown === text) return;
    this.#failures.dataset.shown = text;
    const items = counted.map(([name, count]) =>
      element(
        "li",
        { class: "reason", "data-testid": `failure-${name}` },
        element("span", { text: format.reason(name) }),
        element("span", { class: "numeric reason-count", text: format.integer(count) }),
      ),
    );
    this.#failures.replaceChildren(...(items.length ? items : [element("li", { class: "none", text: "None" })]));
  }

  #showActions(status, running) {
    const canAct = !this.#readOnly;
    setHidden(byId("stop-actions"), !running || !canAct);
    const stopping = status.job_state === "stopping";
    byId("stop-after").disabled = stopping || !this.#reachable;
    byId("stop-now").disabled = byId("resume-last").disabled = !this.#reachable;
    setText(byId("stop-after-label"), stopping ? "Stopping after this episode" : "Stop after this episode");
    if (!running) byId("stop-now-choice").open = false;
    setHidden(byId("ended-actions"), running);
    setHidden(byId("open-last"), !status.progress.completed);
    const resumable = RESUMABLE.includes(status.job_state) && status.state === "idle";
    setHidden(byId("resume-last"), !resumable || !canAct);
  }
}
