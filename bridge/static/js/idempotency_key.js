// One key per press. A press whose answer was lost keeps its key: pressing again with the same fields starts nothing
// twice.

/** 32 hexadecimal digits. crypto.randomUUID would need HTTPS. */
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class IdempotencyKey {
  #unanswered = null;

  /** The key to send with a body (its JSON text). */
  for(body) {
    if (this.#unanswered?.body !== body) this.#unanswered = { body, key: freshKey() };
    return this.#unanswered.key;
  }

  /** The service answered, whatever it said. */
  answered() {
    this.#unanswered = null;
  }
}
