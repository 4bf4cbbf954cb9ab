// Reads multipart/x-mixed-replace, the format of MJPEG streams, part by part.

const LINE_END = [13, 10];
const HEADERS_END = [13, 10, 13, 10];
const MAX_PART_BYTES = 8_000_000;

function indexOf(bytes, pattern, from) {
  const last = bytes.length - pattern.length;
  for (let at = from; at <= last; at += 1) {
    let matched = 0;
    while (matched < pattern.length && bytes[at + matched] === pattern[matched]) matched += 1;
    if (matched === pattern.length) return at;
  }
  return -1;
}

function joined(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

export class MultipartReader {
  #reader;
  #delimiter;
  #bytes = new Uint8Array(0);

  constructor(response) {
    const boundary = /boundary="?([^";]+)"?/i.exec(response.headers.get("Content-Type") ?? "")?.[1];
    if (!boundary || !response.body) throw new Error("The stream is not multipart.");
    this.#delimiter = new TextEncoder().encode(`--${boundary.replace(/^--/, "")}`);
    this.#reader = response.body.getReader();
  }

  /** The bytes of the next part's body, or null at the end of the stream. */
  async next() {
    const start = await this.#find(this.#delimiter, 0);
    const headersEnd = start < 0 ? -1 : await this.#find(HEADERS_END, start);
    if (headersEnd < 0) return null;
    const headers = new TextDecoder().decode(this.#bytes.subarray(start, headersEnd));
    const bodyStart = headersEnd + HEADERS_END.length;
    const stated = /content-length:\s*(\d+)/i.exec(headers);
    let bodyEnd;
    if (stated) {
      bodyEnd = bodyStart + Number(stated[1]);
      while (this.#bytes.length < bodyEnd) if (!(await this.#more())) return null;
    } else {
      bodyEnd = await this.#find([...LINE_END, ...this.#delimiter], bodyStart);
      if (bodyEnd < 0) return null;
    }
    const body = this.#bytes.slice(bodyStart, bodyEnd);
    this.#bytes = this.#bytes.slice(bodyEnd);
    return body;
  }

  async #find(pattern, from) {
    let searched = from;
    for (;;) {
      const at = indexOf(this.#bytes, pattern, searched);
      if (at >= 0) return at;
      searched = Math.max(from, this.#bytes.length - pattern.length + 1);
      if (!(await this.#more())) return -1;
    }
  }

  async #more() {
    const { value, done } = await this.#reader.read();
    if (done) return false;
    if (this.#bytes.length + value.length > MAX_PART_BYTES) throw new Error("A picture of the stream is too large.");
    this.#bytes = joined(this.#bytes, value);
    return true;
  }
}
