// What can come instead of an answer.

/** The service refused, with problem+json (RFC 9457). fields: Map of field name to message. */
export class Problem extends Error {
  constructor(status, body, retryAfterS) {
    super(body.detail || body.title || `The service answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.slug = String(body.type ?? "").split(":").pop();
    this.title = body.title || `Error ${status}`;
    this.jobId = body.job_id ?? null;
    this.retryAfterS = retryAfterS;
    this.fields = new Map((body.errors ?? []).map((error) => [error.field, error.message]));
  }
}

/** No answer, or one that only a proxy in between can have given. */
export class Unreachable extends Error {
  constructor(message) {
    super(message);
    this.name = "Unreachable";
  }
}
