// Three ways to get live pictures of a camera. Each plays onto a screen until it breaks or is aborted, and then throws.

import { urls } from "./api.js";
import { MultipartReader } from "./multipart.js";

const CONNECT_MS = 4500;
const STALL_MS = 10_000;
const GATHER_MS = 1000;
const SNAPSHOT_PERIOD_MS = 1000;
const SNAPSHOT_RUN_MS = 30_000; // then something better is tried again

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

/** Throws when the first picture takes longer than CONNECT_MS, or a later one longer than STALL_MS. */
export async function watchPictures(screen, signal) {
  const startMs = performance.now();
  for (;;) {
    await sleep(500, signal);
    const last = screen.lastArrivalMs;
    if (last < startMs && performance.now() - startMs > CONNECT_MS) throw new Error("No picture came.");
    if (last >= startMs && performance.now() - last > STALL_MS) throw new Error("The pictures stopped.");
  }
}

/** Local candidates are all in the offer: the service takes no later ones. */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && resolve());
  });
}

function countVideoPictures(screen, signal) {
  const { video } = screen;
  const count = () => {
    if (signal.aborted) return;
    screen.showVideo();
    screen.count();
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(count);
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(count);
  else video.addEventListener("timeupdate", count, { signal });
}

/** Tells the service that nobody watches any more. It would notice by itself, some seconds later. */
async function endSession(api, camera, session) {
  if (!session) return;
  try {
    await api.fetch(`${urls.whep(camera)}/${session}`, { method: "DELETE", keepalive: true });
  } catch {
    // It is over there already, or the service is away.
  }
}

async function playWebRtc(api, camera, screen, signal) {
  const peer = new RTCPeerConnection();
  let session = null;
  try {
    peer.addTransceiver("video", { direction: "recvonly" });
    const broken = new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      peer.addEventListener("connectionstatechange", () => {
        if (["failed", "closed"].includes(peer.connectionState)) reject(new Error("The WebRTC connection failed."));
      });
    });
    broken.catch(() => {}); // awaited below, once the answer is there
    peer.addEventListener("track", (event) => {
      screen.video.srcObject = new MediaStream([event.track]);
      screen.video.play().catch(() => {}); // without a picture, watchPictures gives up
    });
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const offer = { method: "POST", type: "application/sdp", body: peer.localDescription.sdp, signal };
    const answer = await api.fetch(urls.whep(camera), offer);
    session = answer.headers.get("Location")?.split("/").pop() ?? null;
    countVideoPictures(screen, signal);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    await broken;
  } finally {
    screen.freeze();
    screen.video.srcObject = null;
    endSession(api, camera, session).finally(() => peer.close());
  }
}

async function playMjpeg(api, camera, screen, signal) {
  const response = await api.fetch(urls.mjpeg(camera), { signal });
  const parts = new MultipartReader(response);
  for (let jpeg = await parts.next(); jpeg; jpeg = await parts.next()) {
    if (jpeg.length && !signal.aborted) await screen.drawJpeg(jpeg);
  }
  throw new Error("The stream ended.");
}

async function playSnapshots(api, camera, screen, signal) {
  const endMs = performance.now() + SNAPSHOT_RUN_MS;
  while (performance.now() < endMs) {
    const response = await api.fetch(urls.snapshot(camera), { signal });
    await screen.drawJpeg(new Uint8Array(await response.arrayBuffer()));
    await sleep(SNAPSHOT_PERIOD_MS, signal);
  }
  throw new Error("Time to try a stream again.");
}

/** The best first. */
export const TRANSPORTS = [
  { name: "WebRTC", play: playWebRtc },
  { name: "MJPEG", play: playMjpeg },
  { name: "Snapshots", play: playSnapshots },
];
