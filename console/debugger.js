// The event debugger: a body is judged by POST /history?validate=true, which stores nothing.

import { connection, on, send } from "./api.js";
import { byId, el, field, json } from "./dom.js";
import { showFailure } from "./failures.js";
import { t } from "./i18n.js";
import { announce } from "./live.js";

const EXAMPLES = {
  valid: () => ({ UserId: "ann", SessionId: "s1", EventType: "view", Event: { itemId: "dracula", eventValue: 4.5, CHANNEL: "app" } }),
  misspelt: () => ({ UserId: "ann", sessionId: "s1", EventType: "view", Event: { itemId: "dracula" } }),
  time: () => ({ SessionId: "s1", EventType: "view", SentAt: "26/11/2026 10:00", Event: { itemId: "dracula" } }),
  batch: () => ({
    Events: [
      { UserId: "ann", SessionId: "s1", EventType: "view", Event: { itemId: "dracula" } },
      { UserId: "undefined", SessionId: "s1", EventType: "view", Event: { itemId: "emma" } },
      { UserId: "ann", SessionId: "s1", EventType: "Taken", Action: { actionId: "join-a-reading-group" } },
    ],
  }),
  putEvents: () => ({
    trackingId: "10ca1e7e", userId: "ann", sessionId: "s1",
    eventList: [{ eventType: "view", sentAt: Math.floor(Date.now() / 1000), itemId: "dracula", properties: '{"CHANNEL": "app"}' }],
  }),
};

let root, text = json(EXAMPLES.valid()), result, isJudging = false;

export function create(element) {
  root = element;
  on("connected", () => (result = undefined));
}

export function render() {
  const body = el("textarea", { id: "body", rows: 13, spellcheck: "false", autocomplete: "off", value: text, oninput: () => (text = body.value) });
  root.replaceChildren(
    el("h2", { id: "title-debugger", tabindex: -1 }, t("debugger")),
    el("p", { class: "lead" }, t("debuggerLead")),
    el("form", { class: "panel card-list", onsubmit: judge },
      el("div", { class: "row", role: "group", "aria-label": t("examples") },
        Object.keys(EXAMPLES).map((name) => el("button", {
          type: "button", class: "quiet small", id: `example-${name}`, onclick: () => take(name),
        }, t(`ex_${name}`)))),
      field(t("body"), body),
      el("p", { class: "row" }, el("button", { id: "judge" }, t("judge")))),
    el("section", { id: "verdict" }));
  draw();
}

function take(name) {
  text = json(EXAMPLES[name]());
  byId("body").value = text;
  judge();
}

async function judge(event) {
  event?.preventDefault();
  if (isJudging || !connection.key) return;
  isJudging = true;
  byId("judge").textContent = t("judging");
  try {
    const { status, text: responded } = await send("POST", "history?validate=true", text);
    result = { status, ...JSON.parse(responded) };
  } catch (error) {
    result = { status: 0, Message: error.message };
  }
  isJudging = false;
  byId("judge").textContent = t("judge");
  draw();
  const sentence = byId("verdict").querySelector("h3, .notice");
  announce(sentence?.textContent ?? "");
}

function draw() {
  const place = byId("verdict");
  if (!result) return place.replaceChildren();
  if (result.Results) {
    place.replaceChildren(
      el("h3", { "data-testid": "verdict" }, t("verdict", { valid: result.Valid, invalid: result.Invalid })),
      el("ol", { class: "card-list" }, result.Results.map(judged)));
  } else if (result.status === 400) {
    place.replaceChildren(el("h3", { "data-testid": "verdict" }, t("verdict", { valid: 0, invalid: 1 })),
      el("ol", { class: "card-list" }, judged(result, 0)));
  } else showFailure(place, { status: result.status, message: result.Message });
}

function judged({ Index, Call, Field, Message }, position) {
  const title = (kind, mark) => el("h4", { class: "row" }, t("eventNumber", { number: (Index ?? position) + 1 }),
    el("span", { class: `chip ${kind}` }, `${mark} ${t(kind === "good" ? "valid" : "invalid")}`));
  if (Call)
    return el("li", { class: "valid", "data-testid": "judged" }, title("good", "✓"),
      el("p", { class: "hint" }, t("delivers")), el("pre", { tabindex: 0, role: "group", "aria-label": t("delivers") }, json(Call)));
  return el("li", { class: "invalid", "data-testid": "judged" }, title("bad", "✕"),
    el("dl", {},
      el("dt", {}, t("fieldName")), el("dd", {}, el("code", {}, Field || t("whole"))),
      el("dt", {}, t("remedy")), el("dd", {}, Message)));
}
