// Asking the daemon. Every number of a reply arrives as the text that it was written with, so that no digit is lost between
// the journal and the screen. Every refusal is an `ApiError` with its code, and says by which id the daemon knows it.

import { FILTERS } from "./state.js";

const BASE = "/api/v1/client/";
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export class ApiError extends Error {
  constructor(status, code, message, errorId, retryAfter) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.errorId = errorId;
    this.retryAfter = retryAfter;
  }
}

// JSON with every number as text.
export function read(text) {
  return JSON.parse(text.replace(TOKEN, (token) => (token[0] === '"' ? token : `"${token}"`)));
}

// The text of a member of `data` as it was sent, for objects that are shown as they came. Null when there is none.
export function rawMember(text, name) {
  const scan = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  let depth = 0;
  let start = -1;
  let previous = "";
  for (let token = scan.exec(text); token; token = scan.exec(text)) {
    const here = token[0];
    if (start >= 0 && depth === 2 && (here === "," || here === "}")) return text.slice(start, token.index);
    if (here === "{" || here === "[") depth += 1;
    else if (here === "}" || here === "]") depth -= 1;
    else if (here === ":" && depth === 2 && start < 0 && previous === JSON.stringify(name)) start = scan.lastIndex;
    previous = here;
  }
  return null;
}

// JSON text with one member a line; digits stay what they are.
export function pretty(text) {
  let out = "";
  let depth = 0;
  const line = () => "\n" + "  ".repeat(depth);
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out += line() + token;
    } else if (token === ",") out += token + line();
    else if (token === ":") out += ": ";
    else out += token;
  }
  return out.replace(/([{[])\s+([}\]])/g, "$1$2");
}

// A query string; absent values are left out, a list is the same name several times.
export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") search.append(name, one);
    }
  }
  const out = search.toString();
  return out ? "?" + out : "";
}

export function address(path, values = {}) {
  return BASE + path + query(values);
}

// The filters of the page by the names that the API has for them.
export function filters(state) {
  const out = {};
  for (const filter of FILTERS) if (state[filter.name]) out[filter.api] = state[filter.name];
  return out;
}

async function send(method, url, body, signal) {
  let response;
  const options = { method, signal, credentials: "same-origin", headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  try {
    response = await fetch(url, options);
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ApiError(0, "no_answer", "The daemon does not answer. Is it running?", null);
  }
  const text = await response.text();
  let reply;
  try {
    reply = read(text);
  } catch {
    throw new ApiError(
      response.status,
      "unreadable",
      "The answer is not what the API promises.",
      response.headers.get("x-request-id"),
    );
  }
  if (!response.ok) {
    const error = reply.error ?? {};
    // By which the log knows it; it stands at the end of the message.
    const [, message, id] = /^([^]*?)(?: \(errorId=([^)]+)\))?$/.exec(error.message ?? "");
    throw new ApiError(
      response.status,
      error.code ?? String(response.status),
      message,
      id ?? response.headers.get("x-request-id"),
      response.headers.get("retry-after"),
    );
  }
  return { data: reply.data, text };
}

export async function get(path, values, signal) {
  return (await send("GET", address(path, values), undefined, signal)).data;
}

// The data, and the text it was read from.
export function getText(path, values, signal) {
  return send("GET", address(path, values), undefined, signal);
}

export async function post(path, body, signal) {
  return (await send("POST", address(path), body ?? {}, signal)).data;
}

export async function patch(path, body) {
  return (await send("PATCH", address(path), body)).data;
}

export async function remove(path) {
  return (await send("DELETE", address(path))).data;
}

export const session = {
  get: async () => (await send("GET", "/dashboard/session")).data,
  open: async (key) => (await send("POST", "/dashboard/session", { key })).data,
  close: () => send("DELETE", "/dashboard/session"),
};

// Server-sent events of what becomes durable; the caller closes it.
export function stream(values, on) {
  const source = new EventSource(address("events/stream", values));
  source.addEventListener("event", (message) => on.event(read(message.data)));
  source.addEventListener("skipped", (message) => on.skipped(read(message.data).events));
  source.addEventListener("open", () => on.open());
  source.addEventListener("error", () => on.lost());
  return source;
}
