// Counts the events of this tab: sent = trained on + quarantined + refused + dropped + on their way. It meets
// again after every fault. An event is counted once, by its EventId.

import { connection, on, say, tabStorage } from "./api.js";

const COUNTS = "console.counts"; // in sessionStorage: a reload goes on counting
const NOTHING = { url: "", sent: 0, accepted: 0, trained: 0, quarantined: 0, refused: 0, dropped: 0, open: {} };

export const counts = structuredClone(NOTHING);
export const changed = "counts"; // the name of the event on the bus

// What an event on its way waits for: the API, or training.
export const waiting = () => Object.values(counts.open).filter((state) => state === "queued").length;
export const underway = () => Object.keys(counts.open).length;
export const isOpen = (id) => id in counts.open;

function save() {
  tabStorage(COUNTS, JSON.stringify(counts));
  say(changed, counts);
}

function accept(id) {
  if (counts.open[id] !== "queued") return;
  counts.open[id] = "accepted";
  counts.accepted += 1;
}

function settle(id, outcome) {
  if (!isOpen(id)) return;
  delete counts.open[id];
  counts[outcome] += 1;
}

// A record that another producer put into the stream: it was never sent through the API.
export function countBadRecord(id) {
  counts.sent += 1;
  counts.accepted += 1;
  counts.open[id] = "accepted";
  save();
}

// What the pipeline says of events. Only the local stack can say it.
export function follow(events) {
  let found = false;
  for (const { id, state } of events) {
    if (!isOpen(id)) continue;
    found = true;
    accept(id);
    if (state !== "pending") settle(id, state);
  }
  if (found) save();
}

on("connected", () => {
  let kept;
  try {
    kept = JSON.parse(tabStorage(COUNTS));
  } catch {}
  Object.assign(counts, structuredClone(NOTHING), kept?.url === connection.url ? kept : { url: connection.url });
  say(changed, counts);
});
on("tracked", (event) => {
  counts.sent += 1;
  counts.open[event.EventId] = "queued";
  save();
});
on("sent", (events) => {
  for (const { EventId } of events) {
    accept(EventId);
    if (!connection.config.isLocal) settle(EventId, "trained");
  }
  save();
});
on("refused", ({ event }) => {
  settle(event.EventId, "refused");
  save();
});
on("dropped", () => {
  const oldest = Object.keys(counts.open).find((id) => counts.open[id] === "queued");
  if (oldest) settle(oldest, "dropped");
  save();
});
