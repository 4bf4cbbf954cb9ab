// The state of the service in the header, the title and the banner: what it does, and whether it can be reached.

import { byId, setFacts, setHidden, setText } from "./element.js";
import * as format from "./format.js";

const MODES = {
  connecting: "Connecting",
  events: "Live updates",
  polling: "Updates every 2 s",
  lost: "Offline",
  refused: "Signed out",
};

export class ServiceState {
  #badge = byId("service-state");
  #connection = byId("connection");
  #banner = byId("lost-banner");
  #retry = byId("lost-retry");
  #status = null;
  #simulator = "";
  #lastHeardMs = null;
  #retryAtMs = 0;
  #countdown = 0;
  #mode = "connecting";

  constructor(onRetry) {
    byId("lost-retry-now").addEventListener("click", onRetry);
  }

  show(status) {
    this.#status = status;
    this.#lastHeardMs = Date.now();
    this.#showBadge();
    this.#showFacts();
  }

  /** name: of the simulator that runs. */
  setSimulator(name) {
    this.#simulator = `Simulator ${name}`;
    this.#showFacts();
  }

  #showFacts() {
    if (!this.#status) return;
    const { version, data_root: dataRoot } = this.#status;
    setFacts(byId("foot-facts"), [`isaac-collect ${version}`, this.#simulator, `Data root ${dataRoot}`]);
  }

  setConnection(mode, retryInMs, why) {
    this.#mode = mode;
    document.body.dataset.connection = mode;
    this.#connection.dataset.mode = mode;
    setText(this.#connection, MODES[mode]);
    setHidden(this.#banner, mode !== "lost");
    this.#retryAtMs = Date.now() + retryInMs;
    const since = this.#lastHeardMs ? `What you see is from ${format.clock(this.#lastHeardMs)}.` : "";
    if (mode === "lost") setText(byId("lost-detail"), `${why} ${since}`.trim());
    this.#showBadge();
    clearInterval(this.#countdown);
    if (mode !== "lost") return;
    this.#showRetry();
    this.#countdown = setInterval(() => this.#showRetry(), 500);
  }

  #showBadge() {
    const lost = this.#mode === "lost";
    const state = lost ? "unreachable" : (this.#status?.state ?? "connecting");
    this.#badge.dataset.state = state;
    setText(this.#badge, format.stateWord(state));
    const dataset = this.#status?.dataset;
    const fraction = this.#status?.progress?.fraction ?? 0;
    const collecting = !lost && (state === "collecting" || state === "stopping");
    const doing = collecting ? `${Math.floor(fraction * 100)}% ${dataset}` : lost ? "Unreachable" : "";
    document.title = doing ? `${doing} · isaac-collect` : "isaac-collect";
  }

  #showRetry() {
    const left = Math.ceil((this.#retryAtMs - Date.now()) / 1000);
    setText(this.#retry, left > 0 ? `Next try in ${left} s` : "Trying");
  }
}
