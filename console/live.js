// Says a sentence to screen readers.

import { byId } from "./dom.js";

export function announce(sentence) {
  byId("live").textContent = sentence;
}
