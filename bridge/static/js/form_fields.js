// The fields of the collect form: what was typed, and what is wrong with it.

import { byId, setHidden, setText } from "./element.js";

const NUMBERS = ["num_episodes", "seed", "steps_per_segment"];
const OPTIONAL_NUMBERS = ["num_objects"];
const CHOICES = ["randomize"];
const SWITCHES = ["use_ycb", "resume"];
const SETTINGS = ["seed", "steps_per_segment", "randomize", "num_objects", "use_ycb", "resume"];
const ALL = ["num_episodes", "output_dir", ...SETTINGS];
const DIGITS = /^-?\d{1,20}$/;
const MAX_EXACT = 9_007_199_254_740_991;

/** The whole number that was typed, as the service is to get it; null where it is none. */
function wholeNumber(text) {
  const plain = text.replaceAll(/[\s,_]/g, "");
  if (!DIGITS.test(plain)) return null;
  return Math.abs(Number(plain)) <= MAX_EXACT ? Number(plain) : plain;
}

export class FormFields {
  input(name) {
    return byId(name);
  }

  /** {request} or {errors}: Map of field name to message. All limits are the service's; here only what is no number. */
  read() {
    const request = { output_dir: byId("output_dir").value.trim() };
    const errors = new Map();
    if (!request.output_dir) errors.set("output_dir", "Enter a name for the dataset.");
    for (const name of [...NUMBERS, ...OPTIONAL_NUMBERS]) {
      if (OPTIONAL_NUMBERS.includes(name) && !byId(name).value.trim()) continue;
      const value = wholeNumber(byId(name).value);
      if (value === null) errors.set(name, "Enter a whole number.");
      else request[name] = value;
    }
    for (const name of CHOICES) request[name] = byId(name).value;
    for (const name of SWITCHES) request[name] = byId(name).checked;
    return errors.size ? { errors } : { request };
  }

  /** Shows each message at its field and returns those that have none. */
  showErrors(errors) {
    const left = [];
    for (const name of ALL) this.#mark(name, errors.get(name) ?? "");
    for (const [name, message] of errors) if (!ALL.includes(name)) left.push(name ? `${name}: ${message}` : message);
    const first = ALL.find((name) => errors.has(name));
    if (first) {
      const folded = byId(first).closest("details");
      if (folded) folded.open = true;
      byId(first).focus();
    }
    return left;
  }

  clearError(name) {
    if (ALL.includes(name)) this.#mark(name, "");
  }

  #mark(name, message) {
    const note = byId(`${name}-error`);
    setText(note, message.replace(/^must /, "Must "));
    setHidden(note, message === "");
    if (message) byId(name).setAttribute("aria-invalid", "true");
    else byId(name).removeAttribute("aria-invalid");
  }
}
