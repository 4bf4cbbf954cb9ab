// What the service does, as it happens: server-sent events, else its status every 2 s, with back-off while it is away.

import { Problem } from "./problem.js";
import { urls } from "./api.js";

const POLL_MS = 2000;
const HIDDEN_POLL_MS = 15_000;
const HIDDEN_GRACE_MS = 30_000; // an event stream holds one of the six connections that a browser has per host
const FIRST_WORD_MS = 5000;
const SILENCE_MS = 20_000;
const RETRY_EVENTS_MS = [2000, 5000, 15_000, 30_000];
const RETRY_LOST_MS = [1000, 2000, 4000, 8000, 15_000];

const pick = (delays, failures) => delays[Math.min(failures, delays.length - 1)];

export class StatusFeed {
  #api;
  #on;
  #mode = "connecting";
  #source = null;
  #lastEventId = "";
  #eventFailures = 0;
  #lostFailures = 0;
  #hidden = false;
  #polling = 0; // number of the poll that counts; a later one outdates those before
  #timers = new Map();

  /** on.status(status), on.event(kind, data), on.connection(mode, retryInMs, why): mode is "events", "polling",
   * "lost" or "refused"; why is what the service says of it, if it says anything. */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
  }

  start() {
    this.stop();
    this.#openEvents();
  }

  stop() {
    this.#closeEvents();
    this.#polling += 1;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
  }

  /** Ask now: after a command, or because somebody pressed "try again". */
  refresh() {
    this.#poll();
  }

  setHidden(hidden) {
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    if (hidden) {
      this.#later("grace", HIDDEN_GRACE_MS, () => {
        if (!this.#source) return;
        this.#closeEvents();
        this.#poll();
      });
    } else {
      this.#cancel("grace");
      if (!this.#source && this.#mode !== "refused") this.start();
    }
  }

  #later(name, ms, action) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(action, ms));
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  #set(mode, retryInMs = 0, why = "") {
    const unchanged = mode === this.#mode && mode !== "lost";
    this.#mode = mode;
    if (!unchanged) this.#on.connection(mode, retryInMs, why);
  }

  #openEvents() {
    this.#cancel("events");
    const source = new EventSource(urls.events(this.#lastEventId));
    this.#source = source;
    for (const kind of ["status", "reset", "progress", "state", "job", "episode"]) {
      source.addEventListener(kind, (message) => this.#hear(kind, message));
    }
    source.addEventListener("error", () => this.#loseEvents());
    this.#later("silence", FIRST_WORD_MS, () => this.#loseEvents());
  }

  #closeEvents() {
    this.#source?.close();
    this.#source = null;
    this.#cancel("silence");
  }

  #hear(kind, message) {
    this.#later("silence", SILENCE_MS, () => this.#checkSilence());
    this.#cancel("poll");
    this.#polling += 1;
    this.#eventFailures = this.#lostFailures = 0;
    if (message.lastEventId) this.#lastEventId = message.lastEventId;
    this.#set("events");
    const data = JSON.parse(message.data);
    if (kind === "status" || kind === "reset" || kind === "progress") this.#on.status(data);
    else this.#on.event(kind, data);
  }

  #loseEvents() {
    this.#closeEvents();
    this.#later("events", pick(RETRY_EVENTS_MS, this.#eventFailures), () => this.#openEvents());
    this.#eventFailures += 1;
    this.#poll();
  }

  /** Heartbeats are invisible here, so a dead connection looks like a quiet one: ask. */
  async #checkSilence() {
    try {
      this.#on.status(await this.#api.status());
      if (this.#source) this.#later("silence", SILENCE_MS, () => this.#checkSilence());
    } catch {
      if (this.#source) this.#loseEvents();
    }
  }

  async #poll() {
    this.#cancel("poll");
    const poll = ++this.#polling;
    let status;
    try {
      status = await this.#api.status();
    } catch (error) {
      if (poll === this.#polling) this.#failPoll(error);
      return;
    }
    if (poll !== this.#polling) return;
    const wasLost = this.#mode === "lost";
    this.#lostFailures = 0;
    this.#on.status(status);
    if (this.#source && this.#mode === "events") return;
    this.#set("polling");
    this.#later("poll", this.#hidden ? HIDDEN_POLL_MS : POLL_MS, () => this.#poll());
    if (wasLost && !this.#source && !this.#hidden) this.#openEvents();
  }

  #failPoll(error) {
    if (error instanceof Problem && error.status === 401) {
      this.stop();
      this.#set("refused");
      return;
    }
    const retryInMs = pick(RETRY_LOST_MS, this.#lostFailures);
    this.#lostFailures += 1;
    this.#cancel("events");
    this.#closeEvents();
    this.#later("poll", retryInMs, () => this.#poll());
    this.#set("lost", retryInMs, error instanceof Problem ? error.message : "");
  }
}
