// Numbers, times and the service's own words as people read them.

const INTEGER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const DAY_AND_TIME = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const FULL = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const HOUR_AND_MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const NOTHING = "–";

const PHASES = {
  APPROACH_PICK: "Moving above the object",
  DOWN_PICK: "Reaching down to the object",
  CLOSE_GRIPPER: "Closing the gripper",
  LIFT: "Lifting the object",
  MOVE_TO_PLACE: "Carrying the object to the goal",
  DOWN_PLACE: "Setting the object down",
  OPEN_GRIPPER: "Opening the gripper",
  RETRACT: "Moving the hand away",
  HOME: "Returning home",
  SETTLE: "Waiting for everything to rest",
  JUDGE: "Checking the result",
};

const REASONS = {
  missed_grasp: "Missed grasp",
  dropped: "Dropped",
  off_target: "Off target",
  not_home: "Not home",
  simulator_error: "Simulator error",
};

function sentence(word) {
  const plain = word.replaceAll("_", " ").toLowerCase();
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

export const integer = (value) => (value === null || value === undefined ? NOTHING : INTEGER.format(value));
export const phase = (name) => (name ? (PHASES[name] ?? sentence(name)) : "Preparing the next episode");
export const reason = (name) => REASONS[name] ?? sentence(name);
export const stateWord = (state) => sentence(state);

/** A share 0..1; full marks only where nothing is missing. */
export function percent(share) {
  if (share === null || share === undefined) return NOTHING;
  if (share === 1 || share === 0) return `${share * 100}%`;
  return `${Math.min(99.9, share * 100).toFixed(1)}%`;
}

export function decimal(value, digits) {
  return value === null || value === undefined ? NOTHING : value.toFixed(digits);
}

/** How much faster than the clock on the wall simulated time passes. */
export function realTime(framesPerS, controlPeriodS) {
  if (!framesPerS || !controlPeriodS) return "";
  const factor = framesPerS * controlPeriodS;
  return `${factor.toFixed(factor < 10 ? 1 : 0)}× real time`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return NOTHING;
  const whole = Math.max(0, Math.round(seconds));
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  if (h) return `${h} h ${String(min).padStart(2, "0")} min`;
  return min ? `${min} min ${String(s).padStart(2, "0")} s` : `${s} s`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** What a request asks for besides the plain cube, in words. A randomization of null has ranges of its own. */
export function variations({ use_ycb: useYcb, randomize, num_objects: objects }) {
  const parts = useYcb ? ["YCB objects"] : [];
  if (randomize !== "none") parts.push(`${randomize ?? "custom"} randomization`);
  const alone = Number(objects) === 1;
  if (objects && !(alone && randomize === "none")) parts.push(alone ? "1 object" : `${objects} objects`);
  return parts;
}

/** A distance in metres, in the unit in which it is a handy number. */
export function distance(metres) {
  if (metres === null || metres === undefined) return NOTHING;
  if (metres >= 0.1) return `${metres.toFixed(2)} m`;
  return metres >= 0.01 ? `${(metres * 100).toFixed(1)} cm` : `${(metres * 1000).toFixed(2)} mm`;
}

export const dayAndTime = (iso) => (iso ? DAY_AND_TIME.format(new Date(iso)) : NOTHING);
export const fullTime = (iso) => (iso ? FULL.format(new Date(iso)) : "");
export const day = (ms) => (Number.isNaN(ms) ? NOTHING : DAY.format(ms));
export const hourAndMinute = (ms) => (Number.isNaN(ms) ? NOTHING : HOUR_AND_MINUTE.format(ms));
export const clock = (ms) => CLOCK.format(ms);

/** Seconds from one ISO time to another, or to `nowMs` where the end is still open. */
export function secondsBetween(startIso, endIso, nowMs) {
  if (!startIso) return null;
  return ((endIso ? Date.parse(endIso) : nowMs) - Date.parse(startIso)) / 1000;
}
