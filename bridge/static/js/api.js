// The routes of the service. Every URL is relative to the page, so that it works below any prefix.

import { parse, stringify } from "./json.js";
import { Problem, Unreachable } from "./problem.js";

const ANSWER_TIMEOUT_MS = 12_000;
const START_TIMEOUT_MS = 40_000; // the service itself waits up to 30 s for a collection to begin

/** The part of a URL that names a dataset; "/" between its parts stays. */
function pathOf(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}

export const urls = {
  events: (lastEventId) =>
    lastEventId ? `collect/events?last_event_id=${encodeURIComponent(lastEventId)}` : "collect/events",
  snapshot: (camera) => `cameras/${encodeURIComponent(camera)}.jpg`,
  mjpeg: (camera) => `cameras/${encodeURIComponent(camera)}.mjpg`,
  whep: (camera) => `cameras/${encodeURIComponent(camera)}/whep`,
  video: (dataset, episode, camera) =>
    `datasets/${pathOf(dataset)}/episodes/${episode}/${encodeURIComponent(camera)}.mp4`,
  report: (dataset) => `datasets/${pathOf(dataset)}/report`,
};

async function problemOf(response) {
  const kind = response.headers.get("Content-Type") ?? "";
  const text = await response.text();
  const retryAfterS = Number(response.headers.get("Retry-After")) || null;
  if (kind.includes("json")) {
    try {
      return new Problem(response.status, parse(text), retryAfterS);
    } catch {
      return new Problem(response.status, {}, retryAfterS);
    }
  }
  if (response.status >= 500) return new Unreachable(`A proxy answered ${response.status}.`);
  return new Problem(response.status, {}, retryAfterS);
}

export class Api {
  #onUnauthorized;
  #clockAheadMs = 0;

  /** onUnauthorized: called whenever a request lacks the token. */
  constructor(onUnauthorized) {
    this.#onUnauthorized = onUnauthorized;
  }

  /** Milliseconds since 1970 by the service's clock, which may differ from the browser's. */
  now() {
    return Date.now() + this.#clockAheadMs;
  }

  /** The raw response of a good request. Throws Problem, Unreachable, or AbortError where `signal` says so. */
  async fetch(url, { method = "GET", body, type, headers = {}, signal, keepalive } = {}) {
    let response;
    try {
      const sent = type ? { ...headers, "Content-Type": type } : headers;
      response = await fetch(url, { method, body, headers: sent, signal, keepalive, cache: "no-store" });
    } catch (error) {
      if (signal?.aborted && error.name === "AbortError") throw error;
      throw new Unreachable("The service does not answer.");
    }
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.status === 401 && url !== "session") this.#onUnauthorized();
    throw problem;
  }

  async #json(url, { method = "GET", body, headers, timeoutMs = ANSWER_TIMEOUT_MS } = {}) {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      const response = await this.fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : stringify(body),
        type: body === undefined ? undefined : "application/json",
        signal: timeout.signal,
      });
      this.#readClock(response);
      const text = await response.text();
      return text ? parse(text) : null;
    } catch (error) {
      if (timeout.signal.aborted) throw new Unreachable(`No answer within ${timeoutMs / 1000} s.`);
      throw error instanceof TypeError ? new Unreachable("The answer broke off.") : error;
    } finally {
      clearTimeout(timer);
    }
  }

  #readClock(response) {
    const aheadMs = Date.parse(response.headers.get("Date") ?? "") - Date.now();
    if (!Number.isNaN(aheadMs)) this.#clockAheadMs = Math.abs(aheadMs) > 2000 ? aheadMs : 0;
  }

  session = () => this.#json("session");
  signIn = (token) => this.#json("session", { method: "POST", body: { token } });
  signOut = () => this.#json("session", { method: "DELETE" });

  status = () => this.#json("collect/status");
  job = (id) => this.#json(`collect/jobs/${encodeURIComponent(id)}`);
  jobs = (limit) => this.#json(`collect/jobs?limit=${limit}`);
  start = (request, key) =>
    this.#json("collect/start", {
      method: "POST",
      body: request,
      headers: { "Idempotency-Key": key },
      timeoutMs: START_TIMEOUT_MS,
    });
  stop = (mode) => this.#json("collect/stop", { method: "POST", body: { mode } });

  simulator = () => this.#json("sim/state");
  play = () => this.#json("sim/play", { method: "POST" });
  pause = () => this.#json("sim/pause", { method: "POST" });
  reset = () => this.#json("sim/reset", { method: "POST" });

  cameras = () => this.#json("cameras");
  datasets = () => this.#json("datasets");
  dataset = (name, offset, limit) => this.#json(`datasets/${pathOf(name)}?offset=${offset}&limit=${limit}`);
}
