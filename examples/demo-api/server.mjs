// The demo API: a small skin-analysis service, like the APIs that people put behind a shield.
//
// It needs Node 18 or newer and no packages. It listens on loopback only, keeps everything in memory, and
// is the origin of the end-to-end tests. Its keep-alive timeout is Node's own (5 s) on purpose: that is
// what the shield will meet in the field.
//
// Environment:
//   PORT               port to listen on (3500; 0 picks a free one)
//   ALLOWED_ORIGINS    comma-separated web origins that may call with credentials (http://localhost:5173)
//   DEMO_PASSWORD      the password of every user (demo)
//   ANALYSIS_DELAY_MS  how long an analysis takes (800)
//   TOKEN_INTERVAL_MS  pause between two tokens of a streamed chat answer (60)

import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { MultipartError, readMultipart } from "./multipart.mjs";

// A photograph of a modern phone is 3 to 12 MB; raw ones stay below this.
const IMAGE_BYTES_MAX = 64 * 1024 * 1024;
// Long enough for a chat question, short enough to hold in memory.
const JSON_BYTES_MAX = 64 * 1024;
// Sessions live in memory; the oldest one makes room.
const SESSIONS_MAX = 10_000;
// How long an answer in flight may hold up a stop.
const STOP_DEADLINE_MS = 2_000;

const settings = {
  port: wholeNumber("PORT", 3500),
  analysisDelayMs: wholeNumber("ANALYSIS_DELAY_MS", 800),
  tokenIntervalMs: wholeNumber("TOKEN_INTERVAL_MS", 60),
  password: process.env.DEMO_PASSWORD ?? "demo",
  allowedOrigins: new Set(
    (process.env.ALLOWED_ORIGINS ?? "http://localhost:5173").split(",").map((origin) => origin.trim()),
  ),
};

/** Session token → user name, oldest first. */
const sessions = new Map();

const routes = {
  "/": { GET: index },
  "/healthz": { GET: healthz },
  "/api/login": { POST: login },
  "/api/profile": { GET: signedIn(profile) },
  "/api/orders": { GET: signedIn(orders) },
  "/api/analyze-skin": { POST: signedIn(analyzeSkin) },
  "/api/chatbot/ask": { POST: signedIn(askChatbot) },
};

class HttpError extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const server = createServer(async (request, response) => {
  try {
    allowCrossOrigin(request, response);
    await route(request, response);
  } catch (error) {
    answerError(response, error);
  }
});

server.on("error", (error) => {
  const reason = error.code === "EADDRINUSE" ? `port ${settings.port} is taken` : error.message;
  console.error(`demo API: ${reason}; set PORT to another one`);
  process.exit(1);
});
server.listen(settings.port, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);

async function route(request, response) {
  const path = request.url.split("?", 1)[0];
  const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!methods) throw new HttpError(404, "There is nothing here.");
  if (request.method === "OPTIONS") return preflight(methods, response);
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (!Object.hasOwn(methods, method)) {
    throw new HttpError(405, "This address does not take that method.", { Allow: allowed(methods) });
  }
  await methods[method](request, response);
}

/** The CORS protocol with credentials: an origin is named exactly or not at all, never `*`. */
function allowCrossOrigin(request, response) {
  response.setHeader("Vary", "Origin");
  const { origin } = request.headers;
  if (origin === undefined || !settings.allowedOrigins.has(origin)) return;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Allow-Credentials", "true");
}

function preflight(methods, response) {
  response.writeHead(204, {
    Allow: allowed(methods),
    "Access-Control-Allow-Methods": allowed(methods),
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
  });
  response.end();
}

function allowed(methods) {
  const names = Object.keys(methods);
  return [...names, ...(methods.GET ? ["HEAD"] : []), "OPTIONS"].join(", ");
}

function index(_request, response) {
  answerJson(response, 200, { service: "A skin-analysis demo", paths: Object.keys(routes) });
}

function healthz(_request, response) {
  answerJson(response, 200, { status: "ok" });
}

async function login(request, response) {
  const { user, password } = await readJson(request);
  if (typeof user !== "string" || !/^[\w.-]{1,40}$/.test(user)) {
    throw new HttpError(400, "`user` must be 1 to 40 letters, digits, dots, dashes or underscores.");
  }
  if (password !== settings.password) throw new HttpError(401, "Wrong user or password.");
  const token = openSession(user);
  response.setHeader("Set-Cookie", `session=${token}; Path=/; HttpOnly; Secure; SameSite=None`);
  answerJson(response, 200, { user, token });
}

function profile(request, response, user) {
  answerJson(response, 200, { user, displayName: `${user[0].toUpperCase()}${user.slice(1)}`, ...skinOf(user) });
}

function orders(request, response, user) {
  const ids = createHash("sha256").update(`orders of ${user}`).digest();
  const items = ["Gentle cleanser", "Day cream SPF 30", "Night serum"].map((product, index) => ({
    id: `${user}-${ids.readUInt16BE(index * 2)}`,
    product,
    cents: 900 + (ids[index + 8] % 40) * 100,
  }));
  answerJson(response, 200, { user, orders: items });
}

async function analyzeSkin(request, response, user) {
  let image;
  await readMultipart(request, {
    bytesMax: IMAGE_BYTES_MAX,
    async onPart(part) {
      const digest = createHash("sha256");
      let bytes = 0;
      for await (const chunk of part.body) {
        digest.update(chunk);
        bytes += chunk.length;
      }
      if (part.name !== "image") return;
      if (image) throw new HttpError(400, "Send one `image`.");
      image = { name: part.filename ?? null, type: part.contentType, bytes, sha256: digest.digest("hex") };
    },
  });
  if (!image || image.bytes === 0) throw new HttpError(400, "The form has no `image`.");
  await pause(settings.analysisDelayMs);
  answerJson(response, 200, { user, image, analysis: skinOf(image.sha256) });
}

async function askChatbot(request, response, user) {
  const { question } = await readJson(request);
  if (typeof question !== "string" || question.trim() === "") {
    throw new HttpError(400, "`question` must be a text.");
  }
  const tokens = replyTo(user, question);
  if (!(request.headers.accept ?? "").includes("text/event-stream")) {
    return answerJson(response, 200, { user, answer: tokens.join("") });
  }
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  for (const token of tokens) {
    if (response.destroyed) return;
    response.write(`data: ${JSON.stringify({ token })}\n\n`);
    await pause(settings.tokenIntervalMs);
  }
  response.end(`event: done\ndata: ${JSON.stringify({ user })}\n\n`);
}

/** Wraps a route that needs to know who asks, from the session cookie or a bearer token. */
function signedIn(answer) {
  return async (request, response) => {
    const user = sessions.get(sessionToken(request));
    if (user === undefined) {
      throw new HttpError(401, "Log in first.", { "WWW-Authenticate": "Bearer" });
    }
    response.setHeader("Cache-Control", "private, no-store");
    await answer(request, response, user);
  };
}

function sessionToken({ headers }) {
  const bearer = /^Bearer +([\w-]+)$/i.exec(headers.authorization ?? "");
  if (bearer) return bearer[1];
  const cookie = /(?:^|;\s*)session=([\w-]+)/.exec(headers.cookie ?? "");
  return cookie?.[1];
}

function openSession(user) {
  if (sessions.size >= SESSIONS_MAX) sessions.delete(sessions.keys().next().value);
  const token = randomBytes(24).toString("base64url");
  sessions.set(token, user);
  return token;
}

/** Made up, but always the same for the same seed, so that a test can tell two users apart. */
function skinOf(seed) {
  const digest = createHash("sha256").update(seed).digest();
  return {
    skinType: ["dry", "oily", "combination", "normal"][digest[0] % 4],
    hydration: digest[1] % 101,
    advice: ["Drink water.", "Use sunscreen.", "Sleep well."][digest[2] % 3],
  };
}

function replyTo(user, question) {
  const words = `Hello ${user}, you asked: ${question.trim()} I would start with sunscreen, every day.`;
  return words.match(/\S+\s*/g);
}

async function readJson(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > JSON_BYTES_MAX) throw new HttpError(413, "That is too long.", { Connection: "close" });
    chunks.push(chunk);
  }
  try {
    const value = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (value !== null && typeof value === "object") return value;
  } catch {
    // Falls through: a body that is not JSON and one that is no object get the same answer.
  }
  throw new HttpError(400, "The body must be a JSON object.");
}

function answerJson(response, status, value) {
  const body = JSON.stringify(value);
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

/** The only place that turns an error into an answer. */
function answerError(response, error) {
  if (response.destroyed) return;
  if (response.headersSent) return response.destroy();
  const known = error instanceof HttpError || error instanceof MultipartError;
  if (!known) console.error("demo API: unexpected error:", error);
  for (const [name, value] of Object.entries(error.headers ?? {})) response.setHeader(name, value);
  answerJson(response, known ? error.status : 500, { error: known ? error.message : "Something went wrong." });
}

function stop() {
  server.close();
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), STOP_DEADLINE_MS).unref();
}

function wholeNumber(name, byDefault) {
  const text = process.env[name] ?? "";
  if (text === "") return byDefault;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`demo API: ${name} must be a whole number, not ${JSON.stringify(text)}`);
  return process.exit(2);
}
