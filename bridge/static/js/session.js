// Who may do what: the token and its dialog, signing out.

import { byId, setHidden, setText } from "./element.js";

export class Session {
  #api;
  #onSignedIn;
  #dialog = byId("sign-in");
  #form = byId("sign-in-form");
  #token = byId("token");
  #error = byId("token-error");
  #submit = byId("sign-in-submit");
  #signOut = byId("sign-out");

  constructor(api, onSignedIn) {
    this.#api = api;
    this.#onSignedIn = onSignedIn;
    this.#dialog.addEventListener("cancel", (event) => event.preventDefault());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#signIn();
    });
    this.#signOut.addEventListener("click", () => this.#leave());
  }

  /** Shows the dialog unless it is open already. */
  ask() {
    setHidden(this.#signOut, true);
    if (this.#dialog.open) return;
    for (const other of document.querySelectorAll("dialog[open]")) other.close();
    this.#refuse("");
    this.#form.reset();
    this.#dialog.showModal();
    this.#token.focus();
  }

  /** state: what GET /session says. */
  show(state) {
    setHidden(this.#signOut, !(state.token_required && state.authenticated));
  }

  async #signIn() {
    const token = this.#token.value.trim();
    if (!token) {
      this.#refuse("Enter the token.");
      return;
    }
    this.#submit.disabled = true;
    try {
      await this.#api.signIn(token);
      this.#form.reset();
      this.#dialog.close();
      this.#onSignedIn();
    } catch (error) {
      this.#refuse(error.status === 401 ? "That is not the token." : error.message);
      this.#token.select();
    } finally {
      this.#submit.disabled = false;
    }
  }

  #refuse(message) {
    setText(this.#error, message);
    setHidden(this.#error, message === "");
    if (message) this.#token.setAttribute("aria-invalid", "true");
    else this.#token.removeAttribute("aria-invalid");
  }

  async #leave() {
    try {
      await this.#api.signOut();
    } finally {
      location.reload();
    }
  }
}
