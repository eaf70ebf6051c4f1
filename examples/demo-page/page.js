// Logs in, uploads a photo and chats, all with the session cookie of another site (`credentials: "include"`).

import { API_URL } from "./config.js";

const apiBase = (new URLSearchParams(location.search).get("api") ?? API_URL).replace(/\/+$/, "");
document.querySelector("#api-base").textContent = apiBase;

onSubmit("login", async (form, show) => {
  const answer = await callJson("/api/login", Object.fromEntries(form));
  const { user } = await answer.json();
  const { orders } = await (await call("/api/orders")).json();
  show(`Logged in as ${user}, with ${orders.length} orders.`);
});

onSubmit("analysis", async (form, show) => {
  const answer = await call("/api/analyze-skin", { method: "POST", body: form });
  const { user, image, analysis } = await answer.json();
  show(`${user}: ${analysis.skinType} skin, hydration ${analysis.hydration} %. ${analysis.advice} (${image.bytes} bytes)`);
});

onSubmit("chat", async (form, show) => {
  const answer = await callJson("/api/chatbot/ask", Object.fromEntries(form), { Accept: "text/event-stream" });
  let text = "";
  for await (const { event, data } of serverSentEvents(answer.body)) {
    if (event === "done") return;
    text += data.token;
    show(text);
  }
});

/** Runs `action` when the form is sent, and shows its outcome (or its failure) in the form's output. */
function onSubmit(id, action) {
  const form = document.getElementById(id);
  const output = document.getElementById(`${id}-result`);
  const show = (text) => (output.textContent = text);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.dataset.state = "busy";
    show("…");
    try {
      await action(new FormData(form), show);
      output.dataset.state = "done";
    } catch (error) {
      output.dataset.state = "failed";
      show(error.message);
    }
  });
}

async function call(path, options = {}) {
  const answer = await fetch(apiBase + path, { credentials: "include", ...options });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error ?? said.message ?? `The API answered ${answer.status}.`);
}

function callJson(path, value, headers = {}) {
  const body = JSON.stringify(value);
  return call(path, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } });
}

/** The `event` and `data` of each server-sent event, as soon as it has arrived. */
async function* serverSentEvents(body) {
  let held = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const events = held.split("\n\n");
    held = events.pop();
    for (const text of events) yield parseEvent(text);
  }
}

function parseEvent(text) {
  const fields = Object.fromEntries(text.split("\n").map((line) => line.split(/: ?(.*)/s, 2)));
  return { event: fields.event ?? "message", data: JSON.parse(fields.data) };
}
