// The live view: shows one camera by the best transport that works, and comes back on its own.

import { element, setHidden, setText, byId } from "./element.js";
import { Screen } from "./screen.js";
import { TRANSPORTS, watchPictures } from "./transports.js";

const SHOW_RATE_MS = 500;
const RETRY_MS = [1000, 2000, 5000, 10_000];
const STEADY_MS = 5000; // a transport that played so long is worth a second try
const AVOID_MS = 120_000; // how long one that never played is left out

export class LiveView {
  #api;
  #screen = new Screen(byId("live-video"), byId("live-canvas"));
  #stage = byId("live-stage");
  #label = byId("live-transport");
  #rate = byId("live-rate");
  #message = byId("live-message");
  #choice = byId("camera-choice");
  #camera = null;
  #wanted = false;
  #running = null; // AbortController of what plays now
  #avoidUntil = TRANSPORTS.map(() => 0);
  #playing = "";

  constructor(api) {
    this.#api = api;
    setInterval(() => this.#showRate(), SHOW_RATE_MS);
    byId("live-fullscreen").addEventListener("click", () => this.#toggleFullscreen());
    setHidden(byId("live-fullscreen"), !document.fullscreenEnabled);
  }

  /** names: of the cameras there are. Goes on with the chosen one. */
  show(names) {
    if (!names.includes(this.#camera)) this.#camera = names[0] ?? null;
    const shown = [...this.#choice.querySelectorAll("input")].map((input) => input.value);
    if (shown.join() !== names.join()) this.#offer(names);
    this.#wanted = true;
    this.#restart(true);
  }

  /** Nobody looks: end the stream, keep the picture. */
  pause() {
    this.#running?.abort();
    this.#running = null;
  }

  resume() {
    if (this.#wanted && !this.#running) this.#restart(false);
  }

  stop() {
    this.#wanted = false;
    this.pause();
    this.#say("off", "");
  }

  #offer(names) {
    const options = names.map((name) =>
      element(
        "label",
        { class: "segment", "data-testid": `camera-${name}` },
        element("input", {
          type: "radio",
          name: "camera",
          value: name,
          checked: name === this.#camera,
          change: () => this.#choose(name),
        }),
        element("span", { text: name }),
      ),
    );
    this.#choice.replaceChildren(...options);
    setHidden(this.#choice.parentElement, names.length === 0);
  }

  #choose(name) {
    this.#camera = name;
    this.#screen.clear();
    this.#restart(false);
  }

  #restart(forgive) {
    this.pause();
    if (!this.#camera) {
      this.#say("off", "The simulator has no camera.");
      return;
    }
    if (forgive) this.#avoidUntil.fill(0);
    if (document.hidden) return; // resume() follows when somebody looks
    this.#running = new AbortController();
    this.#keepPlaying(this.#camera, this.#running.signal);
  }

  async #keepPlaying(camera, signal) {
    this.#screen.name(camera);
    let failures = 0;
    let next = this.#best(0);
    while (!signal.aborted) {
      const steady = await this.#play(TRANSPORTS[next], camera, signal);
      if (signal.aborted) return;
      if (steady) {
        failures = 0;
        next = this.#best(next === TRANSPORTS.length - 1 ? 0 : next);
        continue;
      }
      if (next < TRANSPORTS.length - 1) {
        this.#avoidUntil[next] = performance.now() + AVOID_MS;
        next = this.#best(next + 1);
        continue;
      }
      this.#say("lost", "No picture. Trying again.");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
      failures += 1;
      next = this.#best(1);
    }
  }

  /** The first transport from `from` on that has not failed lately. */
  #best(from) {
    const now = performance.now();
    const last = TRANSPORTS.length - 1;
    for (let index = from; index < last; index += 1) if (this.#avoidUntil[index] <= now) return index;
    return last;
  }

  /** Whether it played well for a while before it broke. */
  async #play(transport, camera, signal) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#screen.expect();
    this.#playing = transport.name;
    if (this.#screen.hasPicture) this.#say("connecting", "");
    else this.#say("connecting", `Connecting to ${camera}`);
    const startMs = performance.now();
    try {
      const playing = transport.play(this.#api, camera, this.#screen, attempt.signal);
      await Promise.race([playing, watchPictures(this.#screen, attempt.signal)]);
    } catch {
      // Whatever it was: the next transport, or the same one again, is the answer to it.
    } finally {
      attempt.abort();
      signal.removeEventListener("abort", abort);
    }
    return this.#screen.lastArrivalMs - startMs > STEADY_MS;
  }

  #showRate() {
    if (!this.#running) return;
    const { live, rate } = this.#screen;
    if (live) this.#say("playing", "");
    const known = rate !== null && document.body.dataset.connection !== "lost";
    setText(this.#rate, known ? `${Math.round(rate)} fps` : "");
  }

  #say(state, message) {
    this.#stage.dataset.state = state;
    this.#stage.dataset.transport = this.#playing.toLowerCase();
    const label = { playing: this.#playing, connecting: `Trying ${this.#playing}`, lost: "No picture", off: "Off" };
    setText(this.#label, label[state]);
    setText(this.#message, message);
    setHidden(this.#message, message === "");
    if (state !== "playing") setText(this.#rate, "");
  }

  #toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.#stage.requestFullscreen();
  }
}
