// The strip with what was sent, accepted and trained on, and the notices that belong to every view.

import { connection, offline, on } from "./api.js";
import { byId, el, replace } from "./dom.js";
import { number, t } from "./i18n.js";
import * as faults from "./faults.js";
import { changed, counts, underway, waiting } from "./tracker.js";

let retryAt = 0;
let timer;

export function create() {
  on(changed, render);
  on("offline", render);
  on("faults", render);
  on("retry", ({ seconds }) => {
    retryAt = Date.now() + seconds * 1000;
    render();
  });
  on("sent", () => (retryAt = 0));
}

export function render() {
  const isLocal = connection.config?.isLocal;
  const shown = ["sent", "accepted", "trained", ...["quarantined", "refused", "dropped"].filter((name) => counts[name])];
  byId("counters").replaceChildren(
    el("dl", { class: "counts" }, shown.map((name) => el("div", { class: name, "data-testid": `count-${name}` },
      el("dt", {}, t(name)), el("dd", {}, name === "trained" && !isLocal ? "–" : number(counts[name]))))),
    el("p", { "data-testid": "counts-say", class: underway() ? "busy" : counts.sent ? "met" : "" }, sentence(isLocal)));
  drawNotices();
}

function sentence(isLocal) {
  clearTimeout(timer);
  if (!counts.sent) return t("noEvents");
  const open = underway();
  if (!open) return isLocal ? `✓ ${t("meets")}` : t("unseen");
  const parts = [t("onTheWay", { waiting: number(waiting()), delivering: number(open - waiting()) })];
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  if (waiting() && seconds > 0) {
    parts.push(t("nextTry", { seconds }));
    timer = setTimeout(render, 1000);
  }
  return parts.join(" ");
}

function drawNotices() {
  const active = faults.inForce();
  replace(byId("notices"),
    connection.config?.notice && el("p", { class: "notice warn" }, connection.config.notice),
    offline() && el("p", { class: "notice warn", "data-testid": "offline" }, t("offlineNow")),
    active.length > 0 && el("p", { class: "notice warn", "data-testid": "faults-on" },
      t("faultsNow", { faults: active.join(", ") }), " ", el("a", { href: "#faults" }, t("faults"))));
}
