// Plays the videos of one episode side by side, in step.

import { urls } from "./api.js";
import { byId, element, setIcon, setText } from "./element.js";

const STEP_TOLERANCE_S = 0.1;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export class EpisodePlayer {
  #api;
  #root = byId("videos");
  #toggle = byId("player-toggle");
  #seek = byId("player-seek");
  #videos = [];
  #frame = 0;

  constructor(api) {
    this.#api = api;
    this.#toggle.addEventListener("click", () => this.toggle());
    this.#seek.addEventListener("input", () => this.#seekTo(Number(this.#seek.value)));
  }

  /** cameras: names of the videos. They start by themselves unless the reader wants less motion. */
  show(dataset, episode, cameras) {
    this.stop();
    const figures = cameras.map((camera) => this.#figure(dataset, episode, camera));
    this.#root.replaceChildren(...figures);
    this.#root.dataset.count = String(cameras.length);
    this.#videos = [...this.#root.querySelectorAll("video")];
    const [first] = this.#videos;
    first?.addEventListener("loadedmetadata", () => this.#showPosition());
    first?.addEventListener("timeupdate", () => this.#keepStep());
    first?.addEventListener("play", () => this.#showPlaying());
    first?.addEventListener("pause", () => this.#showPlaying());
    first?.addEventListener("ended", () => this.#showPlaying());
    this.#showPosition();
    this.#showPlaying();
    if (!CALM.matches) this.#play();
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    for (const video of this.#videos) {
      video.pause();
      video.removeAttribute("src"); // ends its download
      video.load();
    }
    this.#videos = [];
    this.#root.replaceChildren();
  }

  toggle() {
    const [first] = this.#videos;
    if (!first) return;
    if (!first.paused && !first.ended) {
      for (const video of this.#videos) video.pause();
      return;
    }
    if (first.ended) this.#seekTo(0);
    this.#play();
  }

  #figure(dataset, episode, camera) {
    const url = urls.video(dataset, episode, camera);
    const message = element("p", { class: "video-error", role: "status", hidden: true });
    const video = element("video", {
      src: url,
      muted: true,
      playsinline: true,
      preload: "auto",
      disablepictureinpicture: true,
      "aria-label": `Episode ${episode}, ${camera}`,
      "data-testid": `video-${camera}`,
      click: () => this.toggle(),
    });
    video.muted = true; // the attribute counts only in parsed HTML
    video.addEventListener("error", async () => {
      if (!video.getAttribute("src")) return;
      setText(message, await this.#reason(url));
      message.hidden = false;
    });
    return element("figure", { class: "video" }, video, message, element("figcaption", { text: camera }));
  }

  async #reason(url) {
    try {
      await this.#api.fetch(url, { headers: { Range: "bytes=0-0" } });
      return "This browser cannot play the video.";
    } catch (error) {
      return error.message;
    }
  }

  #play() {
    for (const video of this.#videos) {
      video.play().catch(() => {}); // refused or broken: the toggle still says "Play", the error event says why
    }
  }

  #seekTo(seconds) {
    for (const video of this.#videos) if (video.readyState) video.currentTime = seconds;
    this.#showPosition();
  }

  #keepStep() {
    const [first, ...others] = this.#videos;
    for (const video of others) {
      const off = Math.abs(video.currentTime - first.currentTime);
      if (off > STEP_TOLERANCE_S && video.readyState) video.currentTime = first.currentTime;
      if (first.paused || first.ended) continue;
      if (video.paused && !video.ended) video.play().catch(() => {}); // as in #play
    }
    this.#showPosition();
  }

  #showPlaying() {
    const [first] = this.#videos;
    const playing = Boolean(first) && !first.paused && !first.ended;
    setIcon(byId("player-toggle-icon"), playing ? "pause" : "play");
    this.#toggle.setAttribute("aria-label", playing ? "Pause" : "Play");
    cancelAnimationFrame(this.#frame);
    const follow = () => {
      this.#showPosition();
      this.#frame = requestAnimationFrame(follow);
    };
    if (playing) follow();
  }

  #showPosition() {
    const [first] = this.#videos;
    const length = Number.isFinite(first?.duration) ? first.duration : 0;
    const at = first?.currentTime ?? 0;
    this.#toggle.disabled = this.#seek.disabled = length === 0;
    this.#seek.max = String(length || 1);
    this.#seek.value = String(at);
    this.#seek.setAttribute("aria-valuetext", `${at.toFixed(1)} of ${length.toFixed(1)} seconds`);
    this.#seek.style.setProperty("--played", `${length ? (at / length) * 100 : 0}%`);
    setText(byId("player-time"), `${at.toFixed(1)} / ${length.toFixed(1)} s`);
  }
}
