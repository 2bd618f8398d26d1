// Draws the cover of an item from its id and title. The same item always gets the same cover.

import { svg } from "./dom.js";
import { hashOf } from "./hash.js";

const WIDTH = 120;
const HEIGHT = 168;
const LINE_CHARACTERS = 13;
const MAX_LINES = 5;
const PALETTES = [
  // cloth, shape, second shape: dark enough for light letters
  ["#1f3a4d", "#3f6d86", "#d99a4e"],
  ["#4a2f3c", "#80556a", "#e0b15c"],
  ["#23433a", "#477a69", "#e6c27a"],
  ["#3b3558", "#655c90", "#e59a8a"],
  ["#5a3222", "#94593f", "#e8c08c"],
  ["#2b3d5e", "#52709f", "#8fd0c0"],
  ["#45402a", "#78704a", "#dfa04f"],
  ["#4d2430", "#8c4555", "#9cc4d8"],
];
const SHAPES = [sun, stripes, hills, rings, diamonds, tiles];

// One number after the other, the same ones for a text.
function numbers(text) {
  let state = hashOf(text);
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    return (Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35) >>> 8) % below;
  };
}

// A screen reader reads the title beside the cover, so the cover is hidden from it.
export function cover(item) {
  const next = numbers(item.id);
  const [cloth, shape, light] = PALETTES[next(PALETTES.length)];
  const draw = SHAPES[next(SHAPES.length)];
  return svg("svg", { class: "cover", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" },
    svg("rect", { width: WIDTH, height: HEIGHT, fill: cloth }),
    svg("g", {}, draw(next, shape, light)),
    svg("rect", { y: 0, width: WIDTH, height: 22 + 15 * lines(item.title).length, fill: cloth }),
    svg("rect", { width: 5, height: HEIGHT, fill: "#000", opacity: 0.22 }),
    svg("rect", { x: 14, y: 12, width: 22, height: 2, fill: light }),
    lines(item.title).map((line, index) => svg("text", {
      x: 14, y: 30 + 15 * index, fill: "#fdfaf3", "font-size": 12.5, "font-family": "Georgia, 'Times New Roman', serif",
    }, line)));
}

function lines(title) {
  const found = [""];
  for (const word of title.split(/\s+/)) {
    const last = found.at(-1);
    const longer = last ? `${last} ${word}` : word;
    if (longer.length <= LINE_CHARACTERS) found[found.length - 1] = longer;
    else if (last) found.push(word);
    else found[0] = word;
  }
  const short = found.map((line) => (line.length > LINE_CHARACTERS + 1 ? `${line.slice(0, LINE_CHARACTERS)}…` : line));
  return short.length <= MAX_LINES ? short : [...short.slice(0, MAX_LINES - 1), `${short[MAX_LINES - 1]}…`];
}

function sun(next, shape, light) {
  const y = 118 + next(16);
  return [
    svg("circle", { cx: 40 + next(44), cy: y, r: 20 + next(10), fill: light }),
    svg("rect", { y: y + 6, width: WIDTH, height: HEIGHT, fill: shape }),
  ];
}

function stripes(next, shape, light) {
  const chosen = next(5);
  return [0, 1, 2, 3, 4].map((index) => svg("rect", {
    x: 14 + index * 20, y: 96 + next(40), width: 9, height: HEIGHT, fill: index === chosen ? light : shape,
  }));
}

function hills(next, shape, light) {
  const top = () => 104 + next(30);
  return [
    svg("path", { d: `M0 ${HEIGHT} L${30 + next(20)} ${top()} L80 ${HEIGHT} Z`, fill: light }),
    svg("path", { d: `M30 ${HEIGHT} L${75 + next(25)} ${top()} L150 ${HEIGHT} Z`, fill: shape }),
  ];
}

function rings(next, shape, light) {
  const [x, y] = [34 + next(52), 122 + next(14)];
  return [40, 29, 18, 7].map((r, index) => svg("circle", {
    cx: x, cy: y, r, fill: "none", stroke: index % 2 ? light : shape, "stroke-width": 4,
  }));
}

function diamonds(next, shape, light) {
  return [0, 1, 2, 3, 4, 5].map((index) => {
    const [x, y, r] = [24 + (index % 3) * 36, 116 + 32 * Math.floor(index / 3), 9 + next(8)];
    return svg("path", { d: `M${x} ${y - r} l${r} ${r} l${-r} ${r} l${-r} ${-r} Z`, fill: next(3) ? shape : light });
  });
}

function tiles(next, shape, light) {
  return Array.from({ length: 15 }, (_, index) => svg("rect", {
    x: 12 + (index % 5) * 20, y: 104 + 20 * Math.floor(index / 5), width: 16, height: 16,
    fill: next(4) ? shape : light, opacity: next(3) ? 1 : 0.35,
  }));
}
