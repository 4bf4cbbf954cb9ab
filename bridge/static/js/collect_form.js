// The form that starts a collection.

import { suggestName } from "./dataset_name.js";
import { byId, setHidden, setText } from "./element.js";
import { FormFields } from "./form_fields.js";
import { variations } from "./format.js";
import { IdempotencyKey } from "./idempotency_key.js";
import { stringify } from "./json.js";
import { Problem } from "./problem.js";

export class CollectForm {
  #api;
  #on;
  #fields = new FormFields();
  #key = new IdempotencyKey();
  #form = byId("collect-form");
  #button = byId("collect-start");
  #error = byId("form-error");
  #names = [];
  #dataRoot = "";
  #existing = new Set();
  #nameIsOurs = true; // nobody has typed another one
  #sending = false;
  #ready = false;

  /** on.started(job), on.busy(problem), on.unreachable(). */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    this.#form.addEventListener("input", (event) => this.#edited(event.target));
    this.#brief();
  }

  /** taken: names of datasets and jobs, newest first. existing: names of datasets alone. */
  setNames(taken, existing) {
    this.#names = taken;
    this.#existing = new Set(existing);
    this.#suggest();
    this.#hint();
  }

  setDataRoot(path) {
    if (path === this.#dataRoot) return;
    this.#dataRoot = path;
    this.#hint();
  }

  /** why: what keeps a collection from starting, "" where nothing does. */
  setReady(why) {
    this.#ready = why === "";
    setText(byId("start-hint"), why);
    this.#button.disabled = !this.#ready || this.#sending;
  }

  #suggest() {
    const input = this.#fields.input("output_dir");
    if (!this.#nameIsOurs || document.activeElement === input) return;
    const name = suggestName(this.#names);
    if (input.value !== name) input.value = name;
  }

  #edited(input) {
    this.#fields.clearError(input.name);
    if (input.name === "output_dir") this.#nameIsOurs = input.value.trim() === "";
    this.#hint();
    this.#brief();
  }

  #hint() {
    const name = this.#fields.input("output_dir").value.trim();
    const resume = this.#fields.input("resume").checked;
    let hint = `A folder below ${this.#dataRoot}`;
    if (name && !name.startsWith("/")) hint = `Written to ${this.#dataRoot}/${name}`;
    if (this.#existing.has(name) && !resume) hint = "This dataset is there already. Turn Resume on to continue it.";
    else if (this.#existing.has(name)) hint = "This dataset is continued.";
    else if (resume && name) hint = "There is no such dataset yet to resume.";
    setText(byId("output_dir-hint"), hint);
    byId("output_dir-hint").dataset.tone = this.#existing.has(name) !== resume ? "warn" : "";
  }

  /** What the folded settings are, and what the chosen randomization means. */
  #brief() {
    const chosen = this.#fields.input("randomize").selectedOptions[0];
    setText(byId("randomize-hint"), chosen.dataset.hint);
    const value = (name) => this.#fields.input(name).value.trim();
    const parts = [`seed ${value("seed")}`, `${value("steps_per_segment")} steps`];
    const useYcb = this.#fields.input("use_ycb").checked;
    parts.push(...variations({ use_ycb: useYcb, randomize: value("randomize"), num_objects: value("num_objects") }));
    if (this.#fields.input("resume").checked) parts.push("resume");
    setText(byId("advanced-brief"), parts.join(", "));
  }

  async #start() {
    if (this.#sending || !this.#ready) return;
    this.#say("");
    const { request, errors } = this.#fields.read();
    this.#fields.showErrors(errors ?? new Map());
    if (errors) return;
    this.#send(true);
    try {
      const job = await this.#api.start(request, this.#key.for(stringify(request)));
      this.#key.answered();
      this.#nameIsOurs = true;
      this.#fields.input("resume").checked = false;
      this.#brief();
      this.#on.started(job);
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#send(false);
    }
  }

  #refused(error) {
    if (!(error instanceof Problem)) {
      this.#say(`${error.message} Whether the collection began is not known; pressing again is safe.`);
      this.#on.unreachable();
      return;
    }
    if (error.slug !== "no-reply") this.#key.answered();
    if (error.slug === "busy") {
      this.#on.busy(error);
      return;
    }
    const errors = new Map(error.fields);
    if (error.slug === "output-refused") errors.set("output_dir", error.message);
    const left = this.#fields.showErrors(errors);
    if (!errors.size) left.push(error.message);
    this.#say(left.join(" "));
  }

  #send(sending) {
    this.#sending = sending;
    setText(byId("collect-start-label"), sending ? "Starting" : "Collect data");
    this.#button.disabled = sending || !this.#ready;
    this.#form.setAttribute("aria-busy", String(sending));
  }

  #say(message) {
    setText(this.#error, message);
    setHidden(this.#error, message === "");
  }
}
