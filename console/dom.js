// Makes elements. Data only ever becomes text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

// el("button", { class: "quiet", onclick: send, "data-testid": "send" }, "Send")
// A property that is undefined, null or false is left out; true is an empty attribute.
export function el(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else if (value !== undefined && value !== null && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

// What stands for nothing is left out: condition && el(…)
const present = (children) => children.flat().filter((child) => child !== undefined && child !== null && child !== false);

export const replace = (element, ...children) => element.replaceChildren(...present(children));

export const byId = (id) => document.getElementById(id);

// Draws, and gives the focus back to the element with the same id: what is drawn anew has lost it.
export function keepingFocus(draw) {
  const { id } = document.activeElement ?? {};
  draw();
  if (id && document.activeElement?.id !== id) byId(id)?.focus({ preventScroll: true });
}

// A label over its control.
export function field(label, control, hint) {
  return el("label", { class: "field" }, el("span", { class: "label" }, label), control, hint && el("small", {}, hint));
}

export function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  select.value = chosen;
}

export const json = (value) => JSON.stringify(value, null, 2);
