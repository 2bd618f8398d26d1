// Reads /api/pipeline of the local stack: once a second while somebody looks, faster while an event of this
// tab is on its way.

import { connection, local, on, say } from "./api.js";
import * as tracker from "./tracker.js";

const MAX_EVENTS = 300;
const MAX_LINES = 200;
const SECOND = 1000;
const SOON = 300;

export const pipeline = { events: new Map(), log: [], counters: undefined, unreachable: [], error: undefined };
let cursor = "";
let isWatched = false;
let timer;
let isReading = false;

export function watch(value) {
  isWatched = value;
  again(0);
}

export function again(pause = 0) {
  clearTimeout(timer);
  timer = setTimeout(read, pause);
}

const isWanted = () => connection.config?.isLocal && !document.hidden && (isWatched || tracker.underway() > 0);

async function read() {
  if (isReading || !isWanted()) return;
  isReading = true;
  let pause = tracker.underway() ? SOON : SECOND;
  try {
    const changes = await local(`pipeline?after=${encodeURIComponent(cursor)}`);
    if (take(changes)) pause = 0;
  } catch (error) {
    pipeline.error = error;
    pause = 2 * SECOND;
  }
  isReading = false;
  say("pipeline", pipeline);
  again(pause);
}

function take(changes) {
  if (changes.reset) pipeline.events.clear();
  if (changes.reset) pipeline.log = [];
  cursor = changes.cursor;
  Object.assign(pipeline, { counters: changes.counters, unreachable: changes.unreachable, error: undefined });
  for (const event of changes.events) {
    const known = pipeline.events.get(event.id);
    pipeline.events.delete(event.id);
    pipeline.events.set(event.id, { ...event, before: known });
  }
  const tooMany = pipeline.events.size - MAX_EVENTS;
  for (const id of [...pipeline.events.keys()].slice(0, Math.max(0, tooMany))) pipeline.events.delete(id);
  pipeline.log = [...pipeline.log, ...changes.log].slice(-MAX_LINES);
  if (changes.events.length) say("passed", changes.events);
  tracker.follow(changes.events);
  return changes.more;
}

on("connected", () => again());
on("tracked", () => again(SOON));
document.addEventListener("visibilitychange", () => again());
