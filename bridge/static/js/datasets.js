// The datasets below the data root.

import { urls } from "./api.js";
import { byId, element, icon, setFacts, setHidden, setText } from "./element.js";
import * as format from "./format.js";
import { RUNNING } from "./progress.js";
import { Rows } from "./rows.js";

const FIRST_SHOWN = 6;

export class Datasets {
  #api;
  #on;
  #datasets = null;
  #growing = { name: "", episodes: 0 }; // by the status, which is newer than the list
  #all = false;
  #rows;

  /** on.loaded(datasets), on.open(name). */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
    this.#rows = new Rows(byId("datasets"), (dataset) => dataset.name, (dataset) => this.#makeRow(dataset));
    byId("datasets-more").addEventListener("click", () => {
      this.#all = !this.#all;
      this.#show();
    });
  }

  /** The last changed first. */
  get names() {
    return (this.#datasets ?? []).map((dataset) => dataset.name);
  }

  async load() {
    try {
      this.#datasets = (await this.#api.datasets()).datasets;
    } catch (error) {
      this.#fail(error.message);
      return;
    }
    this.#fail("");
    this.#show();
    this.#on.loaded(this.#datasets);
  }

  /** Keeps the episodes of the dataset that is being collected in step with the status. */
  follow({ job_state: state, dataset, progress }) {
    const running = RUNNING.includes(state);
    const growing = { name: running ? dataset : "", episodes: running ? progress.completed : 0 };
    const before = this.#growing;
    this.#growing = growing;
    if (growing.name !== before.name || growing.episodes !== before.episodes) this.#show();
  }

  #fail(message) {
    setText(byId("datasets-error"), message && `The datasets could not be read. ${message}`);
    setHidden(byId("datasets-error"), message === "");
  }

  #show() {
    if (!this.#datasets) return; // not read yet
    const { name, episodes: grown } = this.#growing;
    const datasets = this.#datasets.map((listed) =>
      listed.name === name && !listed.error ? { ...listed, episodes: Math.max(listed.episodes, grown) } : listed,
    );
    const count = datasets.length;
    const hiddenBroken = datasets.slice(FIRST_SHOWN).filter((dataset) => dataset.error).length;
    const broken = hiddenBroken ? `, ${format.integer(hiddenBroken)} of them cannot be read` : "";
    setHidden(byId("datasets-empty"), count > 0);
    setHidden(byId("datasets"), count === 0);
    setHidden(byId("datasets-foot"), count <= FIRST_SHOWN);
    setText(byId("datasets-more"), this.#all ? "Show fewer" : `Show all ${format.integer(count)}${broken}`);
    const episodes = datasets.reduce((sum, dataset) => sum + dataset.episodes, 0);
    const bytes = datasets.reduce((sum, dataset) => sum + dataset.size_bytes, 0);
    const fact = `${format.integer(episodes)} episodes, ${format.bytes(bytes)}`;
    setText(byId("datasets-fact"), count ? fact : "");
    this.#rows.show(this.#all ? datasets : datasets.slice(0, FIRST_SHOWN));
  }

  #makeRow({ name }) {
    const open = () => this.#on.open(name);
    const parts = {
      name: element("button", {
        class: "link name",
        type: "button",
        text: name,
        "data-testid": "dataset-open",
        click: open,
      }),
      facts: element("p", { class: "row-facts numeric", "data-testid": "dataset-row-facts" }),
      error: element("p", { class: "row-error", "data-testid": "dataset-row-error" }),
      episodes: element("span", { class: "figure-value", "data-testid": "dataset-row-episodes" }),
      success: element("span", { class: "figure-value", "data-testid": "dataset-row-success" }),
      report: element(
        "a",
        {
          class: "button quiet small",
          href: urls.report(name),
          target: "_blank",
          rel: "noopener",
          "data-testid": "dataset-row-report",
          "aria-label": `Report of ${name}`,
        },
        element("span", { text: "Report" }),
        icon("external"),
      ),
    };
    const root = element(
      "li",
      { class: "row openable", "data-testid": "dataset-row", "data-dataset": name },
      element(
        "div",
        { class: "row-main" },
        element("div", { class: "row-title" }, parts.name),
        parts.facts,
        parts.error,
      ),
      element("p", { class: "figure numeric" }, parts.episodes, element("span", { text: "episodes" })),
      element("p", { class: "figure numeric" }, parts.success, element("span", { text: "success" })),
      element("div", { class: "row-actions" }, parts.report),
    );
    root.addEventListener("click", (event) => {
      if (!event.target.closest("a, button") && !root.dataset.broken) open();
    });
    return { root, update: (dataset) => this.#update(root, parts, dataset) };
  }

  #update(root, parts, dataset) {
    const broken = Boolean(dataset.error);
    if (broken) root.dataset.broken = "true";
    else delete root.dataset.broken;
    const frames = `${format.integer(dataset.frames)} frames`;
    setFacts(parts.facts, [frames, format.bytes(dataset.size_bytes), format.dayAndTime(dataset.modified_at)]);
    parts.facts.title = format.fullTime(dataset.modified_at);
    setHidden(parts.facts, broken);
    setText(parts.error, broken ? `Cannot be read: ${dataset.error}` : "");
    setHidden(parts.error, !broken);
    setText(parts.episodes, broken ? format.NOTHING : format.integer(dataset.episodes));
    setText(parts.success, format.percent(dataset.success_rate));
    setHidden(parts.report, !dataset.has_report);
    parts.name.disabled = broken;
  }
}
