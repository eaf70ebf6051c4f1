// Reads multipart/form-data (RFC 7578) from a stream without holding a part in memory.
//
// Nothing that the sender says is trusted: the boundary, the head of each part, the number of parts and
// the total size are bounded, and a form that ends before its closing boundary is refused.

import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { once } from "node:events";

// RFC 2046, section 5.1.1: a boundary has 1 to 70 characters.
const BOUNDARY_CHARS_MAX = 70;
// Content-Disposition with a long file name and Content-Type fit easily.
const PART_HEAD_BYTES_MAX = 8 * 1024;
const PARTS_MAX = 32;

export class MultipartError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    // What is left of the form is not read, so the connection cannot be used again.
    this.headers = { Connection: "close" };
  }
}

/**
 * Calls `onPart({ name, filename, contentType, body })` for each part in turn. `body` is a stream that
 * `onPart` must read to its end.
 */
export async function readMultipart(request, { bytesMax, onPart }) {
  const delimiter = Buffer.from(`\r\n--${boundaryOf(request.headers["content-type"])}`);
  const form = new FormReader(request, bytesMax);
  // The first boundary may stand at the very start, where no line break precedes it.
  form.unread(Buffer.from("\r\n"));
  await form.takeUntil(delimiter, () => {});
  for (let parts = 0; !(await form.isClosed()); parts += 1) {
    if (parts === PARTS_MAX) throw new MultipartError(413, "The form has too many parts.");
    const part = parsePartHead(await form.takeHead());
    await pipePart(form, delimiter, part, onPart);
  }
  await form.drain();
}

async function pipePart(form, delimiter, part, onPart) {
  const body = new PassThrough();
  const reading = Promise.resolve(onPart({ ...part, body })).finally(() => body.resume());
  const writing = form.takeUntil(delimiter, async (chunk) => {
    if (!body.write(chunk)) await Promise.race([once(body, "drain"), finished(body)]);
  });
  try {
    await writing;
    body.end();
  } catch (error) {
    body.destroy(error);
    await reading.catch(() => {});
    throw error;
  }
  await reading;
}

function boundaryOf(contentType = "") {
  const [type] = contentType.split(";", 1);
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2] ?? "";
  if (type.trim().toLowerCase() !== "multipart/form-data" || boundary === "") {
    throw new MultipartError(415, "Send multipart/form-data.");
  }
  if (boundary.length > BOUNDARY_CHARS_MAX) throw new MultipartError(400, "The boundary is too long.");
  return boundary;
}

function parsePartHead(head) {
  const fields = new Map();
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = fields.get("content-disposition") ?? "";
  const parameter = (name) => new RegExp(`;\\s*${name}="([^"]*)"`, "i").exec(disposition)?.[1];
  const name = parameter("name");
  if (!/^form-data\s*(;|$)/i.test(disposition) || name === undefined) {
    throw new MultipartError(400, "A part of the form has no name.");
  }
  return { name, filename: parameter("filename"), contentType: fields.get("content-type") ?? "text/plain" };
}

/** A cursor over the request's bytes that holds no more than it must to find a delimiter. */
class FormReader {
  #chunks;
  #held = Buffer.alloc(0);
  #bytes = 0;
  #bytesMax;

  constructor(request, bytesMax) {
    this.#chunks = request[Symbol.asyncIterator]();
    this.#bytesMax = bytesMax;
  }

  unread(bytes) {
    this.#held = Buffer.concat([bytes, this.#held]);
  }

  /** Hands everything before `delimiter` to `sink`, and steps over the delimiter. */
  async takeUntil(delimiter, sink) {
    for (;;) {
      const at = this.#held.indexOf(delimiter);
      if (at >= 0) {
        if (at > 0) await sink(this.#held.subarray(0, at));
        this.#held = this.#held.subarray(at + delimiter.length);
        return;
      }
      // The tail may be the beginning of a delimiter; the rest cannot be.
      const safe = Math.max(0, this.#held.length - delimiter.length + 1);
      if (safe > 0) await sink(this.#held.subarray(0, safe));
      this.#held = this.#held.subarray(safe);
      await this.#more();
    }
  }

  /** After a delimiter: `--` closes the form, a line break opens a part. */
  async isClosed() {
    while (this.#held.length < 2) await this.#more();
    const next = this.#held.toString("latin1", 0, 2);
    if (next !== "--" && next !== "\r\n") throw new MultipartError(400, "A boundary of the form is malformed.");
    // The line break stays: a part without fields has nothing else before its blank line.
    return next === "--";
  }

  async takeHead() {
    const end = Buffer.from("\r\n\r\n");
    for (;;) {
      const at = this.#held.indexOf(end);
      if (at > PART_HEAD_BYTES_MAX || (at < 0 && this.#held.length > PART_HEAD_BYTES_MAX)) {
        throw new MultipartError(400, "The head of a part is too long.");
      }
      if (at >= 0) {
        const head = this.#held.toString("utf8", 0, at);
        this.#held = this.#held.subarray(at + end.length);
        return head;
      }
      await this.#more();
    }
  }

  /** Reads what follows the closing boundary (RFC 2046 calls it the epilogue), so the exchange ends cleanly. */
  async drain() {
    this.#held = Buffer.alloc(0);
    while (await this.#next());
  }

  async #more() {
    const chunk = await this.#next();
    if (!chunk) throw new MultipartError(400, "The form ends before its closing boundary.");
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
  }

  async #next() {
    const { value, done } = await this.#chunks.next();
    if (done) return undefined;
    this.#bytes += value.length;
    if (this.#bytes > this.#bytesMax) throw new MultipartError(413, "The form is too large.");
    return value;
  }
}
