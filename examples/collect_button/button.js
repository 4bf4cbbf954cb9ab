// A Collect Data button on a page of your own. ?service=http://host:8600 says where isaac-collect listens.
const SERVICE = new URLSearchParams(location.search).get("service") ?? "http://127.0.0.1:8600";
const CAMERA = "/cameras/cam_high";
const $ = (id) => document.getElementById(id);

async function call(method, path, body, headers = {}) {
  const token = $("token").value;
  if (token) headers = { ...headers, Authorization: `Bearer ${token}` };
  const response = await fetch(SERVICE + path, { method, body, headers });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: `HTTP ${response.status}` }));
  throw Object.assign(new Error(problem.detail), { problem });
}

let unanswered = null; // a start that may have arrived: asking again with its key starts nothing twice

async function start() {
  unanswered ??= {
    key: crypto.getRandomValues(new Uint32Array(4)).join("-"),
    body: JSON.stringify({ num_episodes: 3, output_dir: `button_${Date.now()}`, skill: "pick_place" }),
  };
  const headers = { "Content-Type": "application/json", "Idempotency-Key": unanswered.key };
  try {
    await call("POST", "/collect/start", unanswered.body, headers);
    unanswered = null;
  } catch (error) {
    if (error.problem) unanswered = null;
    $("error").textContent = error.message;
  }
}

function show({ state, job_state, dataset, progress, error }) {
  const busy = state === "collecting" || state === "stopping";
  const episodes = progress ? `, ${progress.completed} of ${progress.requested} episodes in ${dataset}` : "";
  $("start").disabled = busy;
  $("progress").value = progress?.fraction ?? 0;
  $("state").textContent = (busy ? state : (job_state ?? state)) + episodes;
  $("error").textContent = error ?? "";
}

async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const fields = Object.fromEntries(part.split("\n").map((line) => line.split(/: (.*)/)));
      if (fields.data) yield { kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

async function watch() {
  const { body } = await call("GET", "/collect/events");
  for await (const { kind, data } of messages(body)) {
    if (["status", "reset", "progress"].includes(kind)) show(data); // each holds the whole status
  }
}

async function video() {
  const connection = new RTCPeerConnection();
  const becomes = (event, happened) =>
    new Promise((done) => connection.addEventListener(event, () => happened() && done()));
  const gathered = becomes("icegatheringstatechange", () => connection.iceGatheringState === "complete");
  const ended = becomes("connectionstatechange", () => {
    $("video").hidden = connection.connectionState !== "connected";
    return ["failed", "disconnected"].includes(connection.connectionState);
  });
  try {
    connection.addTransceiver("video", { direction: "recvonly" });
    connection.ontrack = ({ track }) => ($("video").srcObject = new MediaStream([track]));
    await connection.setLocalDescription();
    await gathered;
    const headers = { "Content-Type": "application/sdp" };
    const answer = await call("POST", `${CAMERA}/whep`, connection.localDescription.sdp, headers);
    await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    await ended;
  } finally {
    connection.close();
  }
}

async function picture() {
  $("picture").hidden = !$("video").hidden;
  if ($("picture").hidden) return; // video gets through
  const content = await (await call("GET", `${CAMERA}.jpg`)).blob();
  URL.revokeObjectURL($("picture").src);
  $("picture").src = URL.createObjectURL(content);
}

async function forever(work, pauseMs, failed) {
  for (;;) {
    await work().catch(failed);
    await new Promise((resume) => setTimeout(resume, pauseMs));
  }
}

$("start").onclick = start;
forever(watch, 2000, (error) => ($("state").textContent = `No connection: ${error.message}`));
forever(video, 5000, () => {}); // without a way for WebRTC there are pictures
forever(picture, 300, () => {});
