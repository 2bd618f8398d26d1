// The path of the events as a live picture, with times, the quarantine and the functions' log. Of a deployed
// stage it says what a browser cannot see.

import { connection, on } from "./api.js";
import { titleOf } from "./catalogue.js";
import { byId, el } from "./dom.js";
import { pipeline, watch } from "./feed.js";
import { number, t } from "./i18n.js";

const SHOWN_EVENTS = 25;
const SHOWN_LINES = 60;
const SHOWN_QUARANTINED = 20;
// Each part, the count it shows, and the source of /api/pipeline that it is read from.
const PARTS = {
  api: [({ accepted }) => accepted, "emulator"],
  stream: [({ accepted }) => accepted, "stream"],
  delivery: [({ pending }) => pending, "log"],
  personalize: [({ trained }) => trained, "engine"],
  archive: [({ archived }) => archived, "archive"],
  quarantine: [({ quarantined }) => quarantined, "quarantine"],
};
const PART_OF = { stream: "stream", log: "delivery", engine: "personalize", archive: "archive", quarantine: "quarantine" };

let root;
let isShown = false;

export function create(element) {
  root = element;
  on("pipeline", () => isShown && draw());
  on("passed", (events) => isShown && events.forEach(move));
}

export function show() {
  isShown = true;
  watch(Boolean(connection.config?.isLocal));
  if (byId("path")) draw();
}

export function hide() {
  isShown = false;
  watch(false);
}

export function render() {
  const title = el("h2", { id: "title-pipeline", tabindex: -1 }, t("pipeline"));
  if (!connection.config?.isLocal) return root.replaceChildren(title, hiddenParts());
  root.replaceChildren(
    title,
    el("p", { class: "lead" }, t("pipelineLead")),
    el("div", { id: "parts-away" }),
    el("div", { class: "path", id: "path", role: "group", "aria-label": t("pathPicture") }, Object.keys(PARTS).map((name) =>
      el("div", { class: "part", id: `part-${name}` },
        el("h3", {}, t(`part_${name}`)), el("p", { class: "count" }, "–"), el("p", { class: "does" }, t(`do_${name}`))))),
    el("section", { class: "panel", "aria-labelledby": "title-events" },
      el("h3", { id: "title-events" }, t("events")), el("div", { id: "events" })),
    el("section", { "aria-labelledby": "title-quarantine" },
      el("h3", { id: "title-quarantine" }, t("quarantine")), el("ul", { id: "quarantine", class: "card-list" })),
    el("details", { id: "function-log", class: "panel" },
      el("summary", {}, t("log")), el("pre", { id: "log-lines", tabindex: 0, role: "group", "aria-label": t("log") })));
  draw();
}

function hiddenParts() {
  return el("div", { class: "panel card-list", "data-testid": "hidden-parts" },
    el("h3", {}, t("hiddenTitle")),
    el("p", {}, t("hidden1")),
    el("p", {}, t("hidden2")),
    el("pre", { tabindex: 0 }, `make trace STAGE=${connection.config?.stage} EVENT=…`),
    el("p", {}, t("hidden3")),
    el("pre", { tabindex: 0 }, `make redrive STAGE=${connection.config?.stage}`));
}

function draw() {
  const { counters, unreachable, error } = pipeline;
  for (const [name, [count, source]] of Object.entries(PARTS)) {
    const part = byId(`part-${name}`);
    const value = counters ? count(counters) : undefined;
    part.dataset.count = value ?? "";
    part.querySelector(".count").textContent = value === undefined ? "–" : number(value);
    part.classList.toggle("away", unreachable.includes(source));
    part.classList.toggle("some", name === "quarantine" && value > 0);
  }
  const away = unreachable.map((source) => t(`part_${PART_OF[source]}`));
  const sentence = error ? t("pipelineAway") : away.length ? t("partsAway", { parts: away.join(", ") }) : "";
  const place = byId("parts-away");
  if (place.textContent !== sentence)
    place.replaceChildren(...(sentence ? [el("p", { class: "notice bad", role: "alert" }, sentence)] : []));
  const events = [...pipeline.events.values()].sort((a, b) => (timeOf(a) < timeOf(b) ? 1 : -1));
  // What was trained on before this run is only for the counters of a tab that was open before.
  drawEvents(events.filter(({ isEarlier, state }) => !isEarlier || state !== "trained").slice(0, SHOWN_EVENTS));
  drawQuarantine(events.filter(({ state }) => state === "quarantined").slice(0, SHOWN_QUARANTINED));
  byId("log-lines").textContent = pipeline.log.slice(-SHOWN_LINES).reverse().map(({ at, text }) => `${clock(at)}  ${text}`).join("\n");
}

const timeOf = ({ acceptedAt, quarantinedAt }) => acceptedAt ?? quarantinedAt;

function drawEvents(events) {
  const place = byId("events");
  if (!events.length) return place.replaceChildren(el("p", { class: "hint" }, t("noneYet")));
  const heads = [t("time"), t("event"), t("part_stream"), t("part_personalize"), t("part_archive"), t("state")];
  place.replaceChildren(
    el("p", { class: "hint" }, t("newest", { count: number(events.length) })),
    el("table", {},
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, events.map((event) => row(event, heads)))));
}

function row(event, heads) {
  const { state } = event;
  const kind = { trained: "good", quarantined: "bad", pending: "warn" }[state];
  const cells = [
    clock(timeOf(event)),
    el("span", {}, el("strong", {}, nameOf(event)), el("small", {}, whoOf(event))),
    after(event, "streamedAt"),
    after(event, "trainedAt"),
    after(event, "archivedAt"),
    el("span", {}, el("span", { class: `chip ${kind}` }, t(`state_${state}`)), state === "quarantined" && el("small", {}, event.reason)),
  ];
  return el("tr", { "data-testid": "passed", "data-id": event.id, "data-state": state },
    cells.map((cell, index) => el("td", { "data-head": heads[index] }, cell)));
}

function nameOf({ kind, eventType, itemId, actionId }) {
  if (kind === "unreadable") return t("unreadable");
  return `${eventType} ${itemId ? titleOf(itemId) : (actionId ?? "")}`;
}

function whoOf({ id, kind, userId, sessionId, isOtherProducers }) {
  return [kind === "unreadable" ? id : (userId ?? sessionId ?? ""), isOtherProducers ? t("otherProducer") : ""].filter(Boolean).join(", ");
}

const clock = (at) => {
  const time = new Date(at);
  return `${time.toLocaleTimeString("en-GB")}.${String(time.getMilliseconds()).padStart(3, "0")}`;
};

// The clocks of the parts are one, but S3 counts whole seconds.
function after(event, name) {
  if (!event[name]) return "–";
  return t("afterwards", { ms: number(Math.max(0, Date.parse(event[name]) - Date.parse(event.acceptedAt ?? event[name]))) });
}

function drawQuarantine(events) {
  const place = byId("quarantine");
  const key = events.map(({ id }) => id).join() + t("why");
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  if (!events.length) return place.replaceChildren(el("li", { class: "hint" }, t("noQuarantine")));
  place.replaceChildren(...events.map((event) => el("li", { class: "quarantined", "data-testid": "quarantined", "data-id": event.id },
    el("dl", {},
      el("dt", {}, t("why")), el("dd", {}, el("span", { class: "chip bad" }, event.reason), " ", event.error),
      el("dt", {}, t("quarantinedAt")), el("dd", {}, clock(event.quarantinedAt), event.isEarlier && ` (${t("earlier")})`),
      el("dt", {}, "EventId"), el("dd", {}, event.id)),
    event.record && el("pre", { tabindex: 0, role: "group", "aria-label": t("record") }, event.record))));
}

// Lights up the parts that an event has passed since it was last seen.
function move(event) {
  const { before } = pipeline.events.get(event.id) ?? {};
  const isNew = (name) => event[name] && !before?.[name];
  if (isNew("streamedAt")) light("api", "stream");
  if (isNew("trainedAt")) light("delivery", "personalize");
  if (isNew("archivedAt")) light("archive");
  if (isNew("quarantinedAt")) light("delivery", "quarantine");
}

function light(...names) {
  for (const name of names) {
    const part = byId(`part-${name}`);
    part.classList.remove("moving");
    requestAnimationFrame(() => part.classList.add("moving"));
  }
}
