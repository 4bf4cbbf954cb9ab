// Play, pause and reset of the simulator while nothing is collected.

import { byId, setHidden, setIcon, setText } from "./element.js";

const REFRESH_MS = 5000;

export class Simulator {
  #api;
  #on;
  #root = byId("simulator");
  #toggle = byId("sim-toggle");
  #reset = byId("sim-reset");
  #state = null;
  #idle = false;
  #busy = false;
  #readOnly = false;
  #reachable = true;

  /** on.state(simulator), on.error(title, error). */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
    this.#toggle.addEventListener("click", () => this.#act(this.#state?.playing ? "pause" : "play"));
    this.#reset.addEventListener("click", () => this.#act("reset"));
    setInterval(() => {
      const watched = !document.hidden && document.body.dataset.connection !== "lost";
      if (this.#idle && watched && !this.#busy) this.load();
    }, REFRESH_MS);
  }

  setReadOnly(readOnly) {
    this.#readOnly = readOnly;
    this.#show();
  }

  /** Whether the service can be told anything now. */
  setReachable(reachable) {
    this.#reachable = reachable;
    this.#show();
  }

  /** Buttons are there only while nothing is collected. */
  setIdle(idle) {
    if (idle === this.#idle) return;
    this.#idle = idle;
    this.#show();
    if (idle) this.load();
  }

  async load() {
    try {
      this.#take(await this.#api.simulator());
    } catch {
      // The status feed is the one that reports a service that is away or not ready.
    }
  }

  #take(state) {
    this.#state = state;
    this.#on.state(state);
    this.#show();
  }

  async #act(verb) {
    if (this.#busy) return;
    this.#busy = true;
    this.#root.setAttribute("aria-busy", "true");
    try {
      this.#take(await this.#api[verb]());
    } catch (error) {
      this.#on.error(`The simulator did not ${verb}`, error);
    } finally {
      this.#busy = false;
      this.#root.removeAttribute("aria-busy");
    }
  }

  #show() {
    setHidden(this.#root, !this.#state || !this.#idle);
    if (!this.#state) return;
    const { playing, time_s: timeS } = this.#state;
    setText(byId("sim-time"), `${playing ? "Running" : "Paused"} at ${timeS.toFixed(1)} s`);
    setText(byId("sim-toggle-label"), playing ? "Pause" : "Play");
    setIcon(byId("sim-toggle-icon"), playing ? "pause" : "play");
    setHidden(this.#toggle, this.#readOnly);
    setHidden(this.#reset, this.#readOnly);
    this.#toggle.disabled = this.#reset.disabled = !this.#reachable;
  }
}
