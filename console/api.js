// The page's calls: of the API through client.js, and of the console's own server under /api/. It remembers
// the last requests and responses, and can keep the browser "offline".
//
// `bus` tells of: connected, exchange, sent, refused, retry, dropped, offline, tracked.

import { createClient } from "./client.js";
import { hashOf } from "./hash.js";

const MAX_EXCHANGES = 12;
const KEY = "console.key"; // in sessionStorage: the key stays in this tab
const SEND_MS = 30_000; // the API responds within 29 s
const BATCH_SECONDS = 0.3; // the page shows what happens: it waits less than a shop

export const bus = new EventTarget();
export const say = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));
export const on = (name, listener) => bus.addEventListener(name, ({ detail }) => listener(detail));

export const connection = { config: undefined, url: "", key: "" };
export const visitor = { user: null };
export const exchanges = [];
let client;
let isOffline = false;
let hasQueued = false;
let made = 0;

export function tabStorage(name, value) {
  try {
    if (value === undefined) return sessionStorage.getItem(name);
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {} // forbidden: then nothing is remembered
  return null;
}

// A call of the console's own server. Throws an error with its `status`; 0: no response.
export async function local(path, method = "GET", body) {
  let response;
  try {
    response = await browserFetch(`/api/${path}`, { method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(8000) });
  } catch (error) {
    throw Object.assign(new Error(error.message), { status: 0 });
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(content.message), { status: response.status });
  return content;
}

export async function loadConfig() {
  const config = await local("config");
  connect(config, tabStorage(KEY) ?? config.apiKey ?? "");
  return config;
}

// Asks whether the local stack has another key than before, and takes it. Returns whether it has.
export async function renewKey() {
  if (tabStorage(KEY) !== null || !connection.config.isLocal) return false;
  const config = await local("config").catch(() => connection.config);
  if (config.apiKey === connection.key) return false;
  connect(config, config.apiKey);
  return true;
}

// Takes another key. Without one, that of the local stack is taken again.
export function useKey(key) {
  tabStorage(KEY, key || null);
  connect(connection.config, key || connection.config.apiKey || "");
}

function connect(config, key) {
  const isNew = connection.url !== config.apiUrl;
  Object.assign(connection, { config, url: config.apiUrl, key });
  // One client for an address: a second one would send the same queue. observed() gives each call the key.
  if (key && (isNew || !client)) client = newClient();
  else if (client) wake();
  say("connected");
}

function newClient() {
  return createClient({
    url: connection.url,
    key: connection.key,
    // Not the address itself: other pages of this port may read localStorage one day.
    name: `console.${hashOf(connection.url)}`,
    batchSeconds: BATCH_SECONDS,
    batchEvents: 100,
    onSent: (events) => {
      hasQueued = false;
      say("sent", events);
    },
    onRefused: (event, result) => say("refused", { event, result }),
    onDropped: (count) => say("dropped", count),
    onRetry: (response, seconds) => {
      hasQueued = true;
      say("retry", { status: response.status, seconds });
    },
  });
}

// Every tab of this page has the client's storage in common, but a visitor of its own.
function withVisitor() {
  client.identify(visitor.user);
  return client;
}

export function track(event) {
  const tracked = withVisitor().track(event);
  say("tracked", tracked);
  return tracked;
}

export const flush = () => client?.flush();

export async function recommend(request, settings) {
  const response = await withVisitor().recommend(request, settings);
  // The API responds again: events that wait for their next try need not wait longer.
  if (hasQueued) wake();
  return response;
}

// A call that client.js does not make. Returns status and the text of the response.
export async function send(method, route, text) {
  const response = await fetch(`${connection.url}/${route}`, {
    method,
    headers: { "content-type": "application/json" },
    body: text,
    signal: AbortSignal.timeout(SEND_MS),
  });
  return { status: response.status, text: await response.text() };
}

export const offline = () => isOffline;

export function setOffline(value) {
  isOffline = value;
  say("offline", value);
  if (!value) wake();
}

function wake() {
  hasQueued = false;
  globalThis.dispatchEvent(new Event("online"));
}

// client.js and this page call fetch(). Calls of the API pass here, so that they can be shown and held back.
const browserFetch = globalThis.fetch.bind(globalThis);
globalThis.fetch = (address, settings) =>
  connection.url && String(address).startsWith(connection.url) ? observed(String(address), settings) : browserFetch(address, settings);

async function observed(url, { ...settings }) {
  settings.headers = { ...settings.headers, "x-api-key": connection.key };
  const exchange = { number: ++made, method: settings.method, url, body: settings.body, at: new Date(), status: null };
  exchanges.unshift(exchange);
  exchanges.length = Math.min(exchanges.length, MAX_EXCHANGES);
  say("exchange", exchange);
  const start = performance.now();
  try {
    if (isOffline) throw new TypeError("This browser is offline (simulated).");
    const response = await browserFetch(url, settings);
    exchange.status = response.status;
    exchange.requestId = response.headers.get("x-amzn-requestid");
    exchange.retryAfter = response.headers.get("retry-after");
    exchange.text = await response.clone().text();
    return response;
  } catch (error) {
    exchange.status = 0;
    exchange.text = String(error.message);
    throw error;
  } finally {
    exchange.ms = Math.round(performance.now() - start);
    say("exchange", exchange);
  }
}
