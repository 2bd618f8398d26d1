// Puts the page together: views by the address (#shop, #pipeline, #debugger, #faults), language, connection.
//
// Hooks for tests, which stay when the look changes:
//   #view-shop #view-pipeline #view-debugger #view-faults   the views; the hidden ones have `hidden`
//   nav a[data-view=NAME]                                   the links to them; aria-current="page"
//   #language #connection #connection-form #key #use-key    language, and the API key of this tab
//   [data-testid=failure] [data-testid=countdown]           what went wrong, and the seconds to the next try
//   [data-testid=count-sent|accepted|trained|quarantined|refused|dropped] dd    counters of this tab
//   [data-testid=counts-say]                                whether they meet (class met or busy)
//   [data-testid=offline] [data-testid=faults-on]           notices
// Shop: #visitor #user #sign-in #visitor-is #choose-campaign #choose-filter #choose-promotion #choose-percent
//   #choose-numResults #choose-metadata #value-FILTER-PARAMETER #ask-again #title-shelf #shelf-facts .source
//   [data-testid=card][data-id=ITEM], in it button[data-action=view|like|buy|similar], .badge.fresh, .badge.up
//   #left  #similar  [data-testid=similar-card]  #close-similar
// Request: #request-panel #request-which #request-http|curl|python|javascript #show-key #copy #request-text
//   #response-text #response-state
// Pipeline: #part-api|stream|delivery|personalize|archive|quarantine [data-count]  [data-testid=passed][data-id]
//   [data-testid=quarantined]  #function-log  [data-testid=hidden-parts]
// Debugger: #example-valid|misspelt|time|batch|putEvents #body #judge [data-testid=verdict]
//   [data-testid=judged] (class valid or invalid)
// Faults: #fault-throttleRate|errorRate|latencyMs|accessDenied|campaignMissing|offline #amount-NAME #fault-target
//   #put-bad #bad-state #burst #all-off #faults-state

import { connection, loadConfig, on, useKey } from "./api.js";
import * as counters from "./counters.js";
import * as debug from "./debugger.js";
import { byId, el, field, replace } from "./dom.js";
import * as faults from "./faults.js";
import "./feed.js";
import { currentLanguage, setLanguage, t, translate } from "./i18n.js";
import * as pipeline from "./pipeline.js";
import * as requestPanel from "./request-panel.js";
import * as shop from "./shop.js";

const VIEWS = { shop, pipeline, debugger: debug, faults };
const RETRY_MS = 2_000;
const loaded = loadConfig();
let current;

for (const [name, view] of Object.entries(VIEWS)) view.create(byId(`view-${name}`));
counters.create();
requestPanel.create(byId("request-panel"));

byId("language").value = currentLanguage();
byId("language").addEventListener("change", ({ target }) => setLanguage(target.value));
on("language", render);
on("connected", drawConnection);
addEventListener("hashchange", () => open(true));
document.addEventListener("keydown", ({ key }) => key === "Escape" && closeConnection());
document.addEventListener("click", ({ target }) => byId("connection").contains(target) || (byId("connection").open = false));

translate();
requestPanel.render();
start(loaded);

async function start(loading) {
  try {
    await loading;
  } catch {
    byId("notices").replaceChildren(el("p", { class: "notice bad", role: "alert" }, t("noConsole")));
    setTimeout(() => start(loadConfig()), RETRY_MS);
    return;
  }
  render();
  if (!connection.key) {
    byId("connection").open = true;
    byId("key").focus();
  }
}

function render() {
  translate();
  document.title = t("product");
  drawConnection();
  counters.render();
  requestPanel.render();
  // The shop renders itself when it is connected.
  for (const view of Object.values(VIEWS)) view.render();
  open(false);
}

// Shows the view of the address. Its heading gets the focus when the user went there.
function open(isChosen) {
  const hash = location.hash.slice(1);
  if (isChosen && hash === "content") return;
  const name = Object.hasOwn(VIEWS, hash) ? hash : (current ?? "shop");
  for (const each of Object.keys(VIEWS)) byId(`view-${each}`).hidden = each !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(name)} – ${t("product")}`;
  if (current !== name) {
    VIEWS[current]?.hide?.();
    VIEWS[name].show?.();
  }
  current = name;
  if (isChosen) {
    scrollTo(0, 0);
    byId(`title-${name}`)?.focus({ preventScroll: true });
  }
}

function drawConnection() {
  const { config, url, key } = connection;
  if (!config) return;
  byId("stage").textContent = t("stage", { stage: config.stage });
  const box = el("input", { id: "key", type: "password", autocomplete: "off", required: true, value: key });
  const form = byId("connection-form");
  replace(form,
    el("p", { class: "field" }, el("span", { class: "label" }, t("address")), el("code", { id: "address" }, url)),
    field(t("key"), box, t("keyHint")),
    el("p", { class: "row" }, el("button", { id: "use-key" }, t("useKey")),
      config.apiKey && el("button", { type: "button", class: "quiet", id: "local-key", onclick: () => use("") }, t("localKey"))),
    !key && el("p", { class: "hint" }, t("needKey", { stage: config.stage })));
  form.onsubmit = (event) => {
    event.preventDefault();
    use(box.value.trim());
  };
}

function use(key) {
  closeConnection();
  useKey(key);
}

function closeConnection() {
  const details = byId("connection");
  if (details.open && details.contains(document.activeElement)) details.querySelector("summary").focus();
  details.open = false;
}
