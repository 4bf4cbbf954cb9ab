// Where live pictures appear: a video for WebRTC, a canvas for JPEG pictures. The last picture stays until the next.

const RATE_WINDOW_MS = 3000;

export class Screen {
  #video;
  #canvas;
  #arrivals = [];

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

  /** Pictures per second of late. */
  get rate() {
    const now = performance.now();
    const late = this.#arrivals.filter((at) => at > now - RATE_WINDOW_MS);
    return late.length ? (late.length * 1000) / Math.max(now - late[0], 1000) : 0;
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
    this.#arrivals = [...this.#arrivals.filter((at) => at > now - RATE_WINDOW_MS), now];
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
