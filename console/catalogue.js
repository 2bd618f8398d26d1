// The items by id: from the data folder of the local stack, else from the metadata of a response.

import { local } from "./api.js";

const TITLE = ["TITLE", "NAME", "ITEM_NAME", "PRODUCT_NAME"];
const AUTHOR = ["AUTHOR", "AUTHORS", "CREATOR", "ARTIST", "DIRECTOR", "BRAND"];
const GENRES = ["GENRES", "GENRE", "CATEGORIES", "CATEGORY", "CATEGORY_L1"];
const MAX_SUGGESTIONS = 200;

const items = new Map();
const unknown = new Set();

function keep(found) {
  for (const item of found) items.set(item.id, item);
}

export async function load() {
  try {
    keep((await local("items")).items);
  } catch {} // a deployed stage: ids and metadata have to do
}

// Loads the items of a long catalogue that are shown and not there yet. Returns whether there were any.
export async function loadMissing(ids) {
  const missing = ids.filter((id) => !items.has(id) && !unknown.has(id));
  if (!missing.length) return false;
  missing.forEach((id) => unknown.add(id));
  try {
    keep((await local(`items?${missing.map((id) => `id=${encodeURIComponent(id)}`).join("&")}`)).items);
    return true;
  } catch {
    return false;
  }
}

// Returns {id, title, author, genres, year} of an entry of itemList.
export function itemOf({ itemId, metadata = {} }) {
  const value = (names) => metadata[names.find((name) => metadata[name])];
  return items.get(itemId) ?? {
    id: itemId,
    title: value(TITLE) ?? itemId,
    author: value(AUTHOR),
    genres: value(GENRES)?.split("|") ?? [],
    year: metadata.YEAR,
  };
}

export const titleOf = (itemId) => items.get(itemId)?.title ?? itemId;

// Returns the values of a column, to choose from.
export function suggestions(column) {
  const values = [...items.values()].flatMap((item) => {
    if (GENRES.includes(column)) return item.genres;
    if (AUTHOR.includes(column)) return item.author ?? [];
    if (column === "YEAR") return item.year ?? [];
    return item.metadata?.[column] ?? [];
  });
  const different = [...new Set(values)];
  return different.sort((a, b) => (a > b ? 1 : -1)).slice(0, MAX_SUGGESTIONS);
}

// Returns the ids of a number of items, others each time.
export function some(count) {
  const ids = [...items.keys()];
  const start = Math.floor(Math.random() * Math.max(1, ids.length));
  return Array.from({ length: Math.min(count, ids.length) }, (_, index) => ids[(start + index * 7) % ids.length]);
}
