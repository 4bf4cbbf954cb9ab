// Where live pictures appear: a video for WebRTC, a canvas for JPEG pictures. The last picture stays until the next.

const RATE_WINDOW_MS = 3000;
const RATE_LEAST_MS = 1000; // of what was seen in less, no rate is told

export class Screen {
  #video;
  #canvas;
  #arrivals = [];
  #sinceMs = 0; // when the first of a row of pictures without a long gap came

  constructor(video, canvas) {
    this.#video = video;
    this.#canvas = canvas;
  }

  get video() {
    return this.#video;
  }

  /** When the last picture came, by performance.now(); -Infinity before the first. */
  get lastArrivalMs() {
    return this.#arrivals.at(-1) ?? -Infinity;
  }

  get hasPicture() {
    return !this.#video.hidden || !this.#canvas.hidden;
  }

  /** Whether pictures come. */
  get live() {
    return this.lastArrivalMs > performance.now() - RATE_WINDOW_MS;
  }

  /** Pictures per second of late, null while they have come for too short a time. */
  get rate() {
    const now = performance.now();
    const elapsedMs = Math.min(now - this.#sinceMs, RATE_WINDOW_MS);
    if (!this.live || elapsedMs < RATE_LEAST_MS) return null;
    return (this.#arrivals.filter((at) => at > now - elapsedMs).length * 1000) / elapsedMs;
  }

  name(camera) {
    this.#video.setAttribute("aria-label", `Live picture of ${camera}`);
    this.#canvas.setAttribute("aria-label", `Live picture of ${camera}`);
  }

  /** A new source begins: its pictures are counted from zero. */
  expect() {
    this.#arrivals = [];
  }

  count() {
    const now = performance.now();
    const late = this.#arrivals.filter((at) => at > now - RATE_WINDOW_MS);
    if (!late.length) this.#sinceMs = now;
    this.#arrivals = [...late, now];
  }

  showVideo() {
    this.#video.hidden = false;
    this.#canvas.hidden = true;
  }

  async drawJpeg(bytes) {
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const { width, height } = picture;
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    this.#canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    this.#canvas.hidden = false;
    this.#video.hidden = true;
    this.count();
  }

  /** Keeps the last video picture on the canvas, so that the change of source does not flash. */
  freeze() {
    const { videoWidth, videoHeight } = this.#video;
    if (this.#video.hidden || !videoWidth) return;
    Object.assign(this.#canvas, { width: videoWidth, height: videoHeight });
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0);
    this.#canvas.hidden = false;
    this.#video.hidden = true;
  }

  clear() {
    this.#video.hidden = true;
    this.#canvas.hidden = true;
  }
}
