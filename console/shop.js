// The shop: a visitor, the shelf of what is recommended to them, and the events that change it.

import { connection, on, recommend, renewKey, track, visitor, tabStorage } from "./api.js";
import { itemOf, load as loadItems, loadMissing, suggestions } from "./catalogue.js";
import { cover } from "./covers.js";
import { byId, el, field, keepingFocus, options, replace } from "./dom.js";
import { showFailure } from "./failures.js";
import { has, number, t } from "./i18n.js";
import { announce } from "./live.js";

const ACTIONS = ["view", "like", "buy"];
const NOT_FOR_A_SHELF = ["similar", "ranking", "actions"]; // the engine's campaigns that ask for something else
const SIMILAR = "similar";
const SIMILAR_ITEMS = 6;
const MAX_IMPRESSION = 25;
const TIMEOUT_MS = 12_000;
const LEARNT_MS = 900; // the local model has learnt an event by then
const DEPLOYED_MS = 2_000;
const VISITOR = "console.visitor"; // in sessionStorage

const chosen = { campaign: "", filter: "", promotion: "", percent: 25, numResults: 12, metadata: "", json: "", values: {} };
// `before`: the ids on the shelf before the newest events, which the changes are told against.
const shelf = { response: undefined, question: "", before: undefined, changes: undefined, ms: 0 };
const mine = new Set(); // ids of events after which the shelf is asked again
let related; // {item, response}
let root, place, list, asked = 0, takeAway, timer;

export function create(element) {
  root = element;
  on("connected", connected);
  on("passed", passed);
  on("sent", (events) => {
    if (!connection.config.isLocal && events.some(({ EventId }) => mine.delete(EventId))) later(DEPLOYED_MS);
  });
  on("refused", ({ event }) => mine.delete(event.EventId));
  on("offline", () => ask());
}

function connected() {
  if (!visitor.isChosen) {
    const kept = tabStorage(VISITOR);
    visitor.user = kept === null ? (connection.config.users[0] ?? null) : kept || null;
    visitor.isChosen = true;
    if (connection.config.isLocal) loadItems().then(itemsLoaded);
  }
  Object.assign(shelf, { response: undefined, before: undefined, changes: undefined });
  render();
  if (connection.key) ask();
}

function itemsLoaded() {
  keepingFocus(drawChoices);
  drawShelf();
}

// ---- requests ----

// The local stack's metadata comes from its data folder. A column list works for both.
function metadataColumns() {
  const names = chosen.metadata.split(",").map((name) => name.trim()).filter(Boolean);
  return names.length ? { ITEMS: names } : undefined;
}

function filterOf(name) {
  return connection.config.filters.find((filter) => filter.name === name);
}

function valuesFor(name) {
  const filter = filterOf(name);
  if (!filter) {
    try {
      return JSON.parse(chosen.json || "null") ?? undefined;
    } catch {
      return undefined;
    }
  }
  if (!filter.parameters.length) return undefined;
  return Object.fromEntries(filter.parameters.map((parameter) => [parameter.name, valueOf(filter, parameter)]));
}

function valueOf(filter, parameter) {
  const text = String(chosen.values[`${filter.name} ${parameter.name}`] ?? startValue(parameter));
  if (parameter.type === "number") return Number(text) || 0;
  return text.split(",").map((part) => part.trim()).filter(Boolean);
}

function startValue({ field: column, type }) {
  const found = suggestions(column);
  return found[type === "number" ? Math.floor(found.length / 2) : 0] ?? (type === "number" ? 0 : "");
}

function question() {
  const request = { numResults: Number(chosen.numResults) || 12 };
  if (visitor.user) request.userId = visitor.user;
  if (chosen.campaign) request.campaign = chosen.campaign;
  if (chosen.filter) Object.assign(request, { filter: chosen.filter, filterValues: valuesFor(chosen.filter) });
  if (chosen.promotion)
    request.promotions = [{
      name: chosen.promotion, percentPromotedItems: Number(chosen.percent) || 25,
      filter: chosen.promotion, filterValues: valuesFor(chosen.promotion),
    }];
  if (metadataColumns()) request.metadataColumns = metadataColumns();
  return JSON.parse(JSON.stringify(request));
}

async function ask() {
  clearTimeout(timer);
  takeAway?.();
  takeAway = undefined;
  if (!connection.key) return;
  const turn = ++asked;
  const request = question();
  list?.setAttribute("aria-busy", "true");
  const start = performance.now();
  try {
    const response = await recommend(request, { timeoutMs: TIMEOUT_MS });
    if (turn !== asked) return;
    shelf.ms = Math.round(performance.now() - start);
    show(request, response);
  } catch (error) {
    if (turn !== asked || (error.status === 403 && (await renewKey()))) return;
    takeAway = showFailure(place, error, ask, shelf.response && t("kept"));
    if (!shelf.response) list.replaceChildren();
  } finally {
    if (turn === asked) list?.removeAttribute("aria-busy");
  }
}

function show(request, response) {
  const same = shelf.question === JSON.stringify([request, visitor.user]);
  const shown = idsOf(shelf.response);
  const after = idsOf(response);
  Object.assign(shelf, { response, question: JSON.stringify([request, visitor.user]) });
  const isChanged = same && shown.join("\n") !== after.join("\n");
  if (isChanged) shelf.changes = changesOf(shelf.before ?? shown, after);
  else if (!same) Object.assign(shelf, { before: undefined, changes: undefined });
  drawShelf();
  if (isChanged) {
    const { fresh, up, gone } = shelf.changes;
    announce(t("listChanged", { fresh: fresh.size, up: up.size, gone: gone.length }));
  } else if (!same) announce(t("listShown", { count: after.length }));
  loadMissing(after).then((found) => found && drawShelf());
}

const idsOf = (response) => response?.itemList.map(({ itemId }) => itemId) ?? [];

function changesOf(before, after) {
  const up = new Map();
  const stayed = before.filter((id) => after.includes(id));
  // Places among those that stayed: what left does not lift the others.
  after.filter((id) => before.includes(id)).forEach((id, index) => {
    const places = stayed.indexOf(id) - index;
    if (places > 0) up.set(id, places);
  });
  return { fresh: new Set(after.filter((id) => !before.includes(id))), up, gone: before.filter((id) => !after.includes(id)) };
}

// ---- events ----

function act(action, entry, { recommendationId, itemList }) {
  if (!mine.size) shelf.before = idsOf(shelf.response);
  const event = track({
    EventType: action,
    Event: { itemId: entry.itemId },
    RecommendationId: recommendationId,
    Impression: itemList.slice(0, MAX_IMPRESSION).map(({ itemId }) => itemId),
  });
  mine.add(event.EventId);
  announce(t("sentEvent", { action: t(action), title: itemOf(entry).title }));
}

function passed(events) {
  const done = events.filter(({ id, state }) => state !== "pending" && mine.delete(id) && state === "trained");
  if (done.length) later(0);
}

// Asks now, and once more when the model has learnt too: at first it only leaves out the item.
function later(pause) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    await ask();
    if (!takeAway) timer = setTimeout(ask, LEARNT_MS);
  }, pause);
}

function become(user) {
  visitor.user = user || null;
  tabStorage(VISITOR, user);
  shelf.changes = undefined;
  keepingFocus(drawVisitor);
  ask();
}

// ---- drawing ----

export function render() {
  if (!connection.config) return;
  place = el("div", {});
  list = el("ol", { class: "shelf", id: "shelf", "data-testid": "shelf" });
  root.replaceChildren(
    el("h2", { id: "title-shop", tabindex: -1 }, t("shop")),
    el("p", { class: "lead" }, t("shopLead")),
    el("div", { class: "panel" },
      el("div", { id: "visitor-controls", class: "controls" }),
      el("details", { id: "choices", open: byId("choices")?.open },
        el("summary", {}, t("choose")), el("div", { id: "choice-controls", class: "controls" }))),
    place,
    el("section", { "aria-labelledby": "title-shelf" },
      el("div", { class: "row between" },
        el("h3", { id: "title-shelf", tabindex: -1 }),
        el("button", { type: "button", class: "quiet", id: "ask-again", onclick: ask }, t("refresh"))),
      el("dl", { id: "shelf-facts", class: "facts" }),
      el("p", { id: "left", class: "left", "data-testid": "left", hidden: true }),
      list),
    el("section", { id: "similar", "aria-labelledby": "title-similar", hidden: true }));
  drawAll();
}

function drawAll() {
  if (!list) return;
  drawVisitor();
  drawChoices();
  drawShelf();
  drawSimilar();
}

function drawVisitor() {
  const { users } = connection.config;
  const select = el("select", { id: "visitor", onchange: () => become(select.value) });
  const others = visitor.user && !users.includes(visitor.user) ? [[visitor.user, visitor.user]] : [];
  options(select, [["", t("anonymous")], ...others, ...users.map((user) => [user, user])], visitor.user ?? "");
  const typed = el("input", { id: "user", autocomplete: "off", spellcheck: "false", maxlength: 256, required: true });
  const form = el("form", {
    class: "join", onsubmit: (event) => {
      event.preventDefault();
      become(typed.value.trim());
    },
  }, field(t("typeUser"), typed), el("button", { id: "sign-in" }, t("signIn")));
  byId("visitor-controls").replaceChildren(field(t("visitor"), select), form,
    el("p", { class: "hint", id: "visitor-is" }, visitor.user ? t("isUser", { user: visitor.user }) : t("isAnonymous")));
}

function drawChoices() {
  const { config } = connection;
  const shelves = config.filters.filter((filter) => filter.target === "items" && !filter.needsItem);
  const names = [["", t("none")], ...shelves.map(({ name }) => [name, name])];
  const known = shelves.length > 0;
  replace(byId("choice-controls"),
    config.campaigns.length
      ? choice("campaign", t("campaign"), [["", t("byDefault")], ...config.campaigns.filter((name) => !NOT_FOR_A_SHELF.includes(name)).map((name) => [name, name])])
      : input("campaign", t("campaign")),
    known ? choice("filter", t("filter"), names) : input("filter", t("filter")),
    ...valueFields(chosen.filter),
    !known && input("json", t("filterValues")),
    known ? choice("promotion", t("promotion"), names) : input("promotion", t("promotion")),
    ...(chosen.promotion === chosen.filter ? [] : valueFields(chosen.promotion)),
    chosen.promotion && input("percent", t("promoted"), { type: "number", min: 1, max: 100 }),
    input("numResults", t("numResults"), { type: "number", min: 1, max: 50 }),
    input("metadata", t("metadata"), {}, t("metadataHint")));
}

function choose(name, value) {
  chosen[name] = value;
  keepingFocus(drawChoices);
  ask();
}

function choice(name, label, entries) {
  const select = el("select", { id: `choose-${name}`, onchange: () => choose(name, select.value) });
  options(select, entries, chosen[name]);
  return field(label, select);
}

function input(name, label, properties = {}, hint) {
  const box = el("input", {
    id: `choose-${name}`, autocomplete: "off", spellcheck: "false", ...properties, value: chosen[name],
    onchange: () => choose(name, box.value.trim()),
  });
  return field(label, box, hint);
}

function valueFields(name) {
  const filter = filterOf(name);
  return (filter?.parameters ?? []).map((parameter) => {
    const key = `${name} ${parameter.name}`;
    const id = `value-${name}-${parameter.name}`;
    const isNumber = parameter.type === "number";
    const box = el("input", {
      id, list: isNumber ? undefined : `${id}-list`, type: isNumber ? "number" : "text", autocomplete: "off",
      value: chosen.values[key] ?? startValue(parameter),
      onchange: () => {
        chosen.values[key] = box.value;
        ask();
      },
    });
    const known = isNumber ? undefined : el("datalist", { id: `${id}-list` }, suggestions(parameter.field).map((value) => el("option", { value })));
    const label = field(`${name}: ${parameter.name}`, box, isNumber ? undefined : t("several"));
    if (known) label.append(known);
    return label;
  });
}

function drawShelf() {
  byId("title-shelf").textContent = t("shelf", { user: visitor.user ?? t("thisVisitor") });
  const focused = list.contains(document.activeElement) && document.activeElement.dataset;
  const { response, changes } = shelf;
  byId("shelf-facts").replaceChildren(...(response ? facts(response) : []));
  const gone = byId("left");
  gone.hidden = !changes?.gone.length;
  gone.textContent = changes ? t("left", { titles: changes.gone.map((itemId) => itemOf({ itemId }).title).join(", ") }) : "";
  if (!response) list.replaceChildren(...Array.from({ length: 6 }, () => el("li", { class: "card waiting", "aria-hidden": "true" })));
  else if (!response.itemList.length) list.replaceChildren(el("li", { class: "empty" }, t("empty")));
  else list.replaceChildren(...response.itemList.map((entry) => card(entry, response, changes)));
  if (focused) keepFocus(focused);
}

// The cards are made anew: who used the keyboard stays at the same button of the same item.
function keepFocus({ item, action }) {
  const buttons = [...list.querySelectorAll("button")];
  const same = buttons.find(({ dataset }) => dataset.item === item && dataset.action === action);
  (same ?? byId("title-shelf")).focus({ preventScroll: true });
}

function facts(response) {
  const { source, campaign, experiment } = response;
  const name = `source_${source}`;
  return [
    [t("source"), `${source}${has(name) && source !== "personalize" ? ` (${t(name)})` : ""}`, `source ${source}`],
    [t("campaign"), campaign],
    [t("variant"), experiment ? `${experiment.variant} (${experiment.name})` : t("noVariant")],
    [t("took"), `${number(shelf.ms)} ms`],
  ].map(([label, value, kind = ""]) => el("div", { class: kind }, el("dt", {}, label), el("dd", {}, value ?? "–")));
}

function card(entry, response, changes) {
  const isRelated = response !== shelf.response;
  const item = itemOf(entry);
  const button = (action, label, onclick) => el("button", {
    type: "button", class: "quiet small", "data-item": item.id, "data-action": action, onclick,
    "aria-label": t("actOn", { action: label, title: item.title }),
  }, label);
  return el("li", { class: "card", "data-testid": isRelated ? "similar-card" : "card", "data-id": item.id },
    el("div", { class: "picture" }, cover(item), badges(item.id, changes)),
    el("div", { class: "about" },
      el("h4", {}, item.title),
      el("p", { class: "author" }, [item.author, item.year].filter(Boolean).join(", ") || item.id),
      item.genres.length > 0 && el("p", { class: "genres" }, item.genres.join(" · ")),
      entry.promotionName && el("p", { class: "why" }, t("isPromoted", { name: entry.promotionName })),
      entry.reason?.length > 0 && el("p", { class: "why" }, t("reason", { reason: [entry.reason].flat().join(", ") }))),
    el("div", { class: "actions" },
      ACTIONS.map((action) => button(action, t(action), () => act(action, entry, response))),
      button("similar", t("similar"), () => showSimilar(item))));
}

function badges(id, changes) {
  if (changes?.fresh.has(id)) return el("span", { class: "badge fresh" }, `★ ${t("isNew")}`);
  if (changes?.up.has(id)) return el("span", { class: "badge up" }, `↑ ${t("movedUp", { places: changes.up.get(id) })}`);
  return null;
}

// ---- similar items ----

async function showSimilar(item) {
  related = { item };
  drawSimilar();
  byId("title-similar").focus();
  await askSimilar(item);
}

async function askSimilar(item) {
  const { campaigns } = connection.config;
  const request = { itemId: item.id, numResults: SIMILAR_ITEMS };
  if (campaigns.includes(SIMILAR)) request.campaign = SIMILAR;
  else if (visitor.user) request.userId = visitor.user;
  if (metadataColumns()) request.metadataColumns = metadataColumns();
  try {
    const response = await recommend(request, { timeoutMs: TIMEOUT_MS });
    if (related?.item !== item) return;
    related.response = response;
    keepingFocus(drawSimilar);
    announce(t("listShown", { count: response.itemList.length }));
    if (await loadMissing(response.itemList.map(({ itemId }) => itemId))) keepingFocus(drawSimilar);
  } catch (error) {
    if (related?.item === item) showFailure(byId("similar-list").parentElement, error);
  }
}

function drawSimilar() {
  const section = byId("similar");
  section.hidden = !related;
  if (!related) return;
  const { item, response } = related;
  const close = () => {
    related = undefined;
    drawSimilar();
    keepFocus({ item: item.id, action: "similar" });
  };
  section.replaceChildren(
    el("div", { class: "row between" },
      el("h3", { id: "title-similar", tabindex: -1 }, t("similarTo", { title: item.title })),
      el("button", { type: "button", class: "quiet", id: "close-similar", onclick: close }, t("close"))),
    el("div", {}, el("ol", { class: "shelf", id: "similar-list" },
      response ? response.itemList.map((entry) => card(entry, response)) : el("li", {}, t("loading")))));
}

