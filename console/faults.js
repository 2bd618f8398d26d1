// Faults to rehearse: of the local engine, of the browser, and a bad record. The counters show that nothing
// is lost.

import { connection, local, offline, on, say, setOffline, track } from "./api.js";
import * as catalogue from "./catalogue.js";
import { byId, el, field, options } from "./dom.js";
import { again } from "./feed.js";
import { t } from "./i18n.js";
import { announce } from "./live.js";
import { countBadRecord } from "./tracker.js";

const BURST = 20;
const EVENTS_ONLY = ["PutEvents", "PutActionInteractions"];
// The settings of /api/faults: the amount a switch begins with, the label of it, and from 0-100 to 0-1.
const SETTINGS = {
  throttleRate: { amount: 100, label: "share", scale: 100 },
  errorRate: { amount: 100, label: "share", scale: 100 },
  latencyMs: { amount: 800, label: "milliseconds", scale: 1 },
  accessDenied: {},
  campaignMissing: {},
};
const amounts = Object.fromEntries(Object.entries(SETTINGS).map(([name, { amount }]) => [name, amount]));

let root, target = "all", asked = 0;
let isOn = {};

export function create(element) {
  root = element;
  on("offline", () => byId("fault-offline") && drawStates());
  on("connected", () => connection.config.isLocal && read());
}

export async function show() {
  if (connection.config?.isLocal) await read();
}

// The names of the faults that are switched on at Personalize, in the user's language.
export const inForce = () => Object.keys(SETTINGS).filter((name) => isOn[name]).map((name) => t(`fault_${name}`));

export function render() {
  const title = el("h2", { id: "title-faults", tabindex: -1 }, t("faults"));
  if (!connection.config?.isLocal)
    return root.replaceChildren(title, el("p", { class: "lead" }, t("faultsDeployed")), el("ul", { class: "switches" }, offlineSwitch()));
  const select = el("select", { id: "fault-target", onchange: () => apply((target = select.value)) });
  options(select, [
    ["all", t("target_all")], ["events", t("target_events")],
    ...connection.config.campaigns.map((name) => [`campaign ${name}`, t("target_campaign", { name })]),
  ], target);
  root.replaceChildren(
    title,
    el("p", { class: "lead" }, t("faultsLead")),
    el("div", { class: "panel controls" },
      field(t("target"), select),
      el("p", { class: "row wide" },
        el("button", { type: "button", class: "quiet", id: "all-off", onclick: allOff }, t("allOff")),
        el("button", { type: "button", class: "quiet", id: "burst", onclick: burst }, t("burst"))),
      el("p", { class: "hint", id: "faults-state", role: "status" })),
    el("ul", { class: "switches" },
      Object.keys(SETTINGS).map(engineSwitch), offlineSwitch(),
      el("li", { class: "fault" },
        el("h3", {}, t("bad")), el("p", {}, t("about_bad")),
        el("p", {}, el("button", { type: "button", id: "put-bad", onclick: putBad }, t("putBad"))),
        el("p", { id: "bad-state", role: "status" }))));
  drawStates();
}

function offlineSwitch() {
  return item("offline", (isChecked) => setOffline(isChecked));
}

function engineSwitch(name) {
  const { label } = SETTINGS[name];
  const amount = label && el("input", {
    id: `amount-${name}`, type: "number", min: 1, max: label === "share" ? 100 : 60_000, value: amounts[name],
    onchange: () => {
      amounts[name] = Number(amount.value) || SETTINGS[name].amount;
      if (isOn[name]) apply();
    },
  });
  return item(name, (isChecked) => {
    isOn[name] = isChecked;
    apply();
  }, amount && field(t(label), amount));
}

function item(name, change, more) {
  const box = el("input", { type: "checkbox", role: "switch", id: `fault-${name}`, "aria-describedby": `about-${name}`, onchange: () => change(box.checked) });
  return el("li", { class: "fault", id: `item-${name}` },
    el("h3", {}, el("label", { class: "switch" }, box, t(`fault_${name}`))),
    el("p", { id: `about-${name}` }, t(`about_${name}`)), more);
}

function drawStates() {
  for (const name of [...Object.keys(SETTINGS), "offline"]) {
    const box = byId(`fault-${name}`);
    if (!box) continue;
    box.checked = name === "offline" ? offline() : Boolean(isOn[name]);
    byId(`item-${name}`).classList.toggle("on", box.checked);
  }
  const state = byId("faults-state");
  const active = inForce();
  if (state) state.textContent = active.length ? t("inForce", { faults: active.join(", ") }) : t("allAreOff");
}

// ---- the engine's faults ----

// A response to an older request must not undo what the user has chosen since.
async function ask(method, body) {
  const number = ++asked;
  try {
    const settings = await local("faults", method, body);
    if (number === asked) take(settings);
  } catch (error) {
    const state = byId("faults-state");
    if (state) state.textContent = error.message;
  }
}

const read = () => ask("GET");

function take(settings) {
  for (const [name, { scale = 1 }] of Object.entries(SETTINGS)) {
    isOn[name] = Boolean(settings[name]);
    if (isOn[name] && name in amounts) amounts[name] = Math.round(settings[name] * scale);
    const amount = byId(`amount-${name}`);
    if (amount) amount.value = amounts[name];
  }
  const [campaign] = settings.campaigns;
  target = campaign ? `campaign ${campaign}` : settings.operations.length ? "events" : "all";
  if (byId("fault-target")) byId("fault-target").value = target;
  drawStates();
  say("faults");
}

function apply() {
  const settings = { campaigns: [], operations: target === "events" ? EVENTS_ONLY : [] };
  if (target.startsWith("campaign ")) settings.campaigns = [target.slice("campaign ".length)];
  for (const [name, { scale }] of Object.entries(SETTINGS)) if (isOn[name]) settings[name] = scale ? amounts[name] / scale : true;
  ask("PUT", settings);
}

function allOff() {
  setOffline(false);
  ask("DELETE");
}

async function putBad() {
  const state = byId("bad-state");
  try {
    countBadRecord((await local("bad-record", "POST")).id);
    state.textContent = t("badPut");
    again();
  } catch (error) {
    state.textContent = error.message;
  }
}

// Views of different items, one after the other.
function burst() {
  const items = catalogue.some(BURST);
  items.forEach((itemId) => track({ EventType: "view", Event: { itemId } }));
  announce(t("burst"));
}
