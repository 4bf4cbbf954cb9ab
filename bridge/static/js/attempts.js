// The latest attempts of the running job as a row of marks, the newest on the right.

import { byId, element } from "./element.js";
import { reason } from "./format.js";

const MOST = 40;

export class Attempts {
  #root = byId("attempts");
  #jobId = null;

  constructor() {
    this.#clear();
  }

  /** Another job begins with an empty row. */
  showJob(jobId) {
    if (jobId === this.#jobId) return;
    this.#jobId = jobId;
    this.#clear();
  }

  /** episode: data of an "episode" event. */
  add(episode) {
    this.showJob(episode.job_id);
    if (!this.#root.querySelector(".attempt")) this.#root.replaceChildren();
    const outcome = episode.success ? "placed" : reason(episode.failure_reason || "failed").toLowerCase();
    const words = `Episode ${episode.index}, attempt ${episode.attempt + 1}: ${outcome}`;
    const mark = element("li", { class: "attempt", title: words, "data-success": String(Boolean(episode.success)) });
    mark.append(element("span", { class: "visually-hidden", text: words }));
    this.#root.append(mark);
    while (this.#root.children.length > MOST) this.#root.firstElementChild.remove();
  }

  #clear() {
    this.#root.replaceChildren(element("li", { class: "none", text: "They appear here as they end." }));
  }
}
