// The list of a dataset's episodes, a page at a time.

import { byId, element, setHidden, setText } from "./element.js";
import * as format from "./format.js";

export const PAGE_SIZE = 100;

/** What came of an episode, in words; "" where the dataset does not say. */
export function outcome(episode) {
  if (episode.success === null || episode.success === undefined) return "";
  return episode.success ? "Success" : format.reason(episode.failure_reason || "failed");
}

export function objectName(episode) {
  return [episode.object_colour, episode.object?.replaceAll("_", " ")].filter(Boolean).join(" ");
}

export class EpisodeList {
  #onChoose;
  #root = byId("episode-list");
  #offset = 0;
  #total = 0;

  /** onChoose(episode number). */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    byId("page-previous").addEventListener("click", () => onChoose(this.#offset - PAGE_SIZE));
    byId("page-next").addEventListener("click", () => onChoose(this.#offset + PAGE_SIZE));
  }

  show(episodes, offset, total) {
    this.#offset = offset;
    this.#total = total;
    this.#root.replaceChildren(...episodes.map((episode) => this.#item(episode)));
    this.#root.scrollTop = 0;
    setHidden(byId("pager"), total <= PAGE_SIZE);
    setText(byId("page-range"), `${offset}–${offset + episodes.length - 1} of ${format.integer(total)}`);
    byId("page-previous").disabled = offset === 0;
    byId("page-next").disabled = offset + PAGE_SIZE >= total;
  }

  mark(number) {
    for (const button of this.#root.querySelectorAll("button")) {
      const current = button.dataset.episode === String(number);
      if (!current) {
        button.removeAttribute("aria-current");
        continue;
      }
      button.setAttribute("aria-current", "true");
      const list = this.#root.getBoundingClientRect();
      const box = button.getBoundingClientRect();
      if (box.top < list.top) this.#root.scrollTop -= list.top - box.top;
      else if (box.bottom > list.bottom) this.#root.scrollTop += box.bottom - list.bottom;
    }
  }

  #item(episode) {
    const result = outcome(episode);
    return element(
      "li",
      {},
      element(
        "button",
        {
          class: "episode-item",
          type: "button",
          "data-testid": "episode-item",
          "data-episode": String(episode.episode),
          click: () => this.#onChoose(episode.episode),
        },
        element("span", { class: "episode-number numeric", text: String(episode.episode) }),
        element("span", { class: "episode-object", text: objectName(episode) || episode.task }),
        element("span", {
          class: "episode-error numeric",
          text: episode.placement_error_m === null ? "" : format.distance(episode.placement_error_m),
        }),
        element("span", {
          class: "episode-outcome",
          text: result || `${episode.duration_s.toFixed(1)} s`,
          "data-success": result ? String(episode.success) : null,
        }),
      ),
    );
  }
}
