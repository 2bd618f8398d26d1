// A number that tells texts apart: FNV-1a, 32 bits.
export function hashOf(text) {
  let state = 0x811c9dc5;
  for (const character of text) state = Math.imul(state ^ character.codePointAt(0), 0x01000193) >>> 0;
  return state;
}
