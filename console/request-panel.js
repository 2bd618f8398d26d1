// The last requests and responses, and each as a call to copy.

import { connection, exchanges, on } from "./api.js";
import { byId, el, field, json, options } from "./dom.js";
import { number, t } from "./i18n.js";

const FORMS = { http: "HTTP", curl: "curl", python: "Python", javascript: "JavaScript" };
const PLACEHOLDER = "YOUR_KEY";
const MAX_CHARACTERS = 20_000; // of a response that is shown

let root, form = "http", showsKey = false, chosen;

export function create(element) {
  root = element;
  on("exchange", () => draw());
}

export function render() {
  const select = el("select", { id: "request-which", onchange: () => draw((chosen = Number(select.value))) });
  root.replaceChildren(
    el("h2", { id: "title-request" }, t("request")),
    el("p", { class: "hint" }, t("requestLead")),
    field(t("which"), select),
    el("div", { class: "tabs", role: "group", "aria-label": t("form") },
      Object.entries(FORMS).map(([name, label]) => el("button", {
        type: "button", class: "tab", id: `request-${name}`, "aria-pressed": String(form === name), onclick: () => choose(name),
      }, label))),
    el("div", { class: "row" },
      el("button", { type: "button", class: "quiet small", id: "show-key", "aria-pressed": String(showsKey), onclick: toggleKey }, t("showKey")),
      el("button", { type: "button", class: "quiet small", id: "copy", onclick: copy }, t("copy")),
      el("span", { id: "copy-state", role: "status" })),
    el("pre", { id: "request-text", tabindex: 0, role: "group", "aria-label": t("sentTo") }),
    el("h3", {}, t("response"), " ", el("span", { id: "response-state", class: "chip" })),
    el("pre", { id: "response-text", tabindex: 0, role: "group", "aria-label": t("response") }));
  draw();
}

function choose(name) {
  form = name;
  for (const each of Object.keys(FORMS)) byId(`request-${each}`).setAttribute("aria-pressed", String(each === name));
  draw();
}

function toggleKey() {
  showsKey = !showsKey;
  byId("show-key").setAttribute("aria-pressed", String(showsKey));
  draw();
}

async function copy() {
  const text = byId("request-text");
  try {
    await navigator.clipboard.writeText(text.textContent);
    byId("copy-state").textContent = t("copied");
  } catch {
    getSelection().selectAllChildren(text);
    byId("copy-state").textContent = t("notCopied");
  }
}

function draw() {
  const select = byId("request-which");
  if (!select) return;
  byId("copy-state").textContent = "";
  const exchange = exchanges.find((each) => each.number === chosen) ?? exchanges[0];
  if (exchange === exchanges[0]) chosen = undefined;
  options(select, exchanges.map((each, index) => [index ? each.number : "", nameOf(each)]), chosen ?? "");
  byId("request-text").textContent = exchange ? FORM_OF[form](exchange, showsKey ? connection.key : undefined) : t("noRequest");
  byId("response-text").textContent = exchange?.text ? pretty(exchange.text).slice(0, MAX_CHARACTERS) : "";
  const state = byId("response-state");
  state.textContent = exchange ? stateOf(exchange) : "–";
  state.className = `chip ${exchange?.ms === undefined ? "" : exchange.status >= 200 && exchange.status < 300 ? "good" : "bad"}`;
}

const routeOf = ({ url }) => url.slice(connection.url.length);
const clock = (at) => at.toLocaleTimeString("en-GB");

function nameOf(exchange) {
  const { method, status, ms, at } = exchange;
  return `${ms === undefined ? "…" : status || "✕"}  ${method} ${routeOf(exchange)}  ${clock(at)}`;
}

function stateOf({ status, ms }) {
  if (ms === undefined) return t("pending");
  return `${status || t("noResponse")} · ${number(ms)} ms`;
}

function pretty(text) {
  try {
    return json(JSON.parse(text));
  } catch {
    return text;
  }
}

// ---- the forms ----

// In single quotes a POSIX shell changes nothing; a single quote itself ends them for a moment.
export const shellQuoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// The body as an object where that sends the same bytes, else undefined.
function objectOf(body) {
  try {
    const value = JSON.parse(body);
    return JSON.stringify(value) === body ? value : undefined;
  } catch {
    return undefined;
  }
}

function asHttp({ method, url, body }, key) {
  const { host, pathname, search } = new URL(url);
  const head = [`${method} ${pathname}${search}`, `Host: ${host}`, `x-api-key: ${key ?? PLACEHOLDER}`, "content-type: application/json"];
  return `${head.join("\n")}\n\n${pretty(body)}`;
}

function asCurl({ method, url, body }, key) {
  return [
    `curl -sS -X ${method} ${shellQuoted(url)}`,
    `-H ${shellQuoted(`x-api-key: ${key ?? PLACEHOLDER}`)}`,
    `-H ${shellQuoted("content-type: application/json")}`,
    `--data-raw ${shellQuoted(body)}`,
  ].join(" \\\n  ");
}

function asPython({ method, url, body }, key) {
  const value = objectOf(body);
  const data = value === undefined ? JSON.stringify(body) : `json.dumps(${pythonOf(value)})`;
  return `import json
import urllib.error
import urllib.request

body = ${data}
request = urllib.request.Request(
    ${JSON.stringify(url)},
    body.encode(),
    {"x-api-key": ${JSON.stringify(key ?? PLACEHOLDER)}, "content-type": "application/json"},
    method=${JSON.stringify(method)},
)
try:
    with urllib.request.urlopen(request) as response:
        print(json.load(response))
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
`;
}

// JSON as Python writes it. A JSON string is a Python string too.
function pythonOf(value, indent = "") {
  const inner = `${indent}    `;
  const list = (open, parts, close) => (parts.length ? `${open}\n${parts.map((part) => `${inner}${part},\n`).join("")}${indent}${close}` : open + close);
  if (Array.isArray(value)) return list("[", value.map((each) => pythonOf(each, inner)), "]");
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  return list("{", Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${pythonOf(each, inner)}`), "}");
}

function asJavaScript({ method, url, body }, key) {
  const value = objectOf(body);
  const data = value === undefined ? JSON.stringify(body) : `JSON.stringify(${json(value).replaceAll("\n", "\n  ")})`;
  return `const response = await fetch(${JSON.stringify(url)}, {
  method: ${JSON.stringify(method)},
  headers: {"x-api-key": ${JSON.stringify(key ?? PLACEHOLDER)}, "content-type": "application/json"},
  body: ${data},
});
console.log(response.status, await response.json());
`;
}

const FORM_OF = { http: asHttp, curl: asCurl, python: asPython, javascript: asJavaScript };
