// Says what went wrong with a call, what to do, and counts down to the next try.

import { connection, offline } from "./api.js";
import { byId, el } from "./dom.js";
import { t } from "./i18n.js";

const RETRY_SECONDS = 3; // where the API does not say how long

function sentences({ status, message }) {
  if (offline()) return [t("offlineNow"), t("offlineDo")];
  if (status === 403) return [t("wrongKey"), t("wrongKeyDo")];
  if (status === 429) return [t("throttled"), message];
  if (status) return [t("failed", { status }), message];
  return [t("unreachable"), connection.config?.notice ?? t(connection.config?.isLocal ? "unreachableDo" : "unreachableDeployed")];
}

// The same request has the same response to these.
const isFinal = ({ status }) => [400, 403, 404, 413].includes(status);

// Shows a failure in `place` and returns a function that takes it away. `retry` is called at the end of the
// countdown; `note` is one more sentence.
export function showFailure(place, error, retry, note) {
  const [what, todo] = sentences(error);
  const left = el("span", { "data-testid": "countdown" });
  const buttons = retry && !isFinal(error) && el("p", { class: "row" }, left, el("button", { type: "button", class: "quiet", onclick: now }, t("tryNow")));
  place.replaceChildren(el("div", { class: "notice bad", role: "alert", "data-testid": "failure" },
    el("p", {}, el("strong", {}, what), " ", todo, note && ` ${note}`), buttons));
  let seconds = Math.ceil(error.retryAfter || RETRY_SECONDS);
  let timer;
  if (buttons) tick();

  function tick() {
    if (seconds <= 0 && !document.hidden) return now();
    left.textContent = t("again", { seconds: Math.max(0, seconds) });
    seconds -= 1;
    timer = setTimeout(tick, 1000);
  }
  function now() {
    clearTimeout(timer);
    retry();
  }
  return () => {
    clearTimeout(timer);
    if (place.contains(document.activeElement)) byId("content").focus({ preventScroll: true });
    place.replaceChildren();
  };
}
