// One dataset, opened: its episodes, their videos and facts. The address names it, so that it can be shared.

import { urls } from "./api.js";
import { byId, element, setFacts, setHidden, setText } from "./element.js";
import { EpisodeList, PAGE_SIZE, objectName, outcome } from "./episode_list.js";
import { EpisodePlayer } from "./episode_player.js";
import * as format from "./format.js";
import { Snippet } from "./snippet.js";

const ADDRESS = /^#dataset\/(.+)\/(\d+)$/;

function addressOf(name, episode) {
  return `#dataset/${name.split("/").map(encodeURIComponent).join("/")}/${episode}`;
}

export class DatasetView {
  #api;
  #dataRoot = "";
  #dialog = byId("dataset");
  #list = new EpisodeList((episode) => this.#choose(episode));
  #player;
  #snippet = new Snippet();
  #name = null;
  #page = null; // the last answer of the service about #name
  #episode = 0;

  constructor(api) {
    this.#api = api;
    this.#player = new EpisodePlayer(api);
    byId("dataset-close").addEventListener("click", () => this.#dialog.close());
    byId("episode-previous").addEventListener("click", () => this.#choose(this.#episode - 1));
    byId("episode-next").addEventListener("click", () => this.#choose(this.#episode + 1));
    this.#dialog.addEventListener("close", () => this.#closed());
    this.#dialog.addEventListener("keydown", (event) => this.#key(event));
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    addEventListener("popstate", () => this.openFromAddress());
  }

  setDataRoot(path) {
    this.#dataRoot = path;
  }

  /** Shows what the address asks for, or closes. */
  openFromAddress() {
    const match = ADDRESS.exec(location.hash);
    if (match) this.#show(match[1].split("/").map(decodeURIComponent).join("/"), Number(match[2]));
    else if (this.#dialog.open) this.#dialog.close();
  }

  open(name) {
    history.pushState(null, "", addressOf(name, 0));
    this.#show(name, 0);
  }

  #show(name, episode) {
    if (this.#dialog.open && this.#name === name) {
      this.#choose(episode);
      return;
    }
    this.#name = name;
    this.#page = null;
    setText(byId("dataset-title"), name);
    setFacts(byId("dataset-facts"), []);
    setHidden(byId("dataset-body"), true);
    setHidden(byId("dataset-report"), true);
    this.#fail("");
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#choose(episode);
  }

  #closed() {
    this.#player.stop();
    this.#name = this.#page = null;
    if (ADDRESS.test(location.hash)) history.pushState(null, "", location.pathname + location.search);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, pre")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowUp") this.#choose(this.#episode - 1);
    else if (event.key === "ArrowRight" || event.key === "ArrowDown") this.#choose(this.#episode + 1);
    else if (event.key === " " && !event.target.matches("button, a")) this.#player.toggle();
    else return;
    event.preventDefault();
  }

  async #choose(wanted) {
    const name = this.#name;
    const episode = Math.max(0, this.#page ? Math.min(wanted, this.#page.episodes - 1) : wanted);
    const offset = Math.floor(episode / PAGE_SIZE) * PAGE_SIZE;
    if (this.#page?.offset !== offset) {
      try {
        const page = await this.#api.dataset(name, offset, PAGE_SIZE);
        if (name !== this.#name) return;
        this.#page = page;
      } catch (error) {
        if (name === this.#name) this.#fail(error.message);
        return;
      }
      this.#showPage();
      if (!this.#page.episode_list.length) {
        if (this.#page.episodes > 0) this.#choose(this.#page.episodes - 1); // the address asks for more than there is
        return;
      }
    }
    this.#fail("");
    this.#episode = episode;
    history.replaceState(null, "", addressOf(name, episode));
    this.#showEpisode();
  }

  #showPage() {
    const page = this.#page;
    const parts = [
      `${format.integer(page.episodes)} episodes`,
      `${format.integer(page.frames)} frames`,
      `${page.fps} fps`,
      format.bytes(page.size_bytes),
      page.robot_type,
      page.simulator,
      page.seed === null ? "" : `seed ${page.seed}`,
      page.success_rate === null ? "" : `${format.percent(page.success_rate)} of attempts succeeded`,
    ];
    setFacts(byId("dataset-facts"), parts);
    setHidden(byId("dataset-body"), page.episodes === 0);
    byId("dataset-report").href = urls.report(page.name);
    setHidden(byId("dataset-report"), !page.has_report);
    this.#list.show(page.episode_list, page.offset, page.episodes);
    this.#snippet.show(page.name, `${this.#dataRoot}/${page.name}`);
    if (page.episodes === 0) this.#fail("This dataset has no episode yet.");
  }

  #showEpisode() {
    const found = this.#page.episode_list[this.#episode - this.#page.offset];
    if (!found) {
      this.#fail("That episode could not be found; the dataset has changed. Close and open it again.");
      return;
    }
    this.#list.mark(this.#episode);
    setText(byId("episode-title"), `Episode ${found.episode}`);
    setText(byId("episode-task"), found.task);
    byId("episode-previous").disabled = this.#episode === 0;
    byId("episode-next").disabled = this.#episode >= this.#page.episodes - 1;
    this.#player.show(this.#page.name, found.episode, Object.keys(found.videos));
    const facts = [
      ["Outcome", outcome(found)],
      ["Object", objectName(found)],
      ["Placement error", found.placement_error_m === null ? "" : format.distance(found.placement_error_m)],
      ["Length", `${format.integer(found.frames)} frames, ${found.duration_s.toFixed(1)} s`],
      ["Attempt", found.attempt === null ? "" : String(found.attempt + 1)],
      ["Index", found.index === null ? "" : String(found.index)],
    ];
    byId("episode-facts").replaceChildren(
      ...facts
        .filter(([, value]) => value)
        .map(([label, value]) => element("div", {}, element("dt", { text: label }), element("dd", { text: value }))),
    );
  }

  #fail(message) {
    setText(byId("dataset-error"), message);
    setHidden(byId("dataset-error"), message === "");
  }
}
