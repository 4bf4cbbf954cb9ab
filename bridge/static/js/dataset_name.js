// A name for the next dataset that is not taken.

const NUMBERED = /^(.*?)(\d+)$/;
const FIRST = "pick_place_001";

/** names: taken ones, the newest first. Counts on from the newest that ends in a number: pick_place_007 after _006. */
export function suggestName(names) {
  const newest = names.find((name) => NUMBERED.test(name));
  if (!newest) return FIRST;
  const [, stem, digits] = NUMBERED.exec(newest);
  const numbers = names
    .map((name) => NUMBERED.exec(name))
    .filter((match) => match && match[1] === stem)
    .map((match) => BigInt(match[2]));
  const highest = numbers.reduce((a, b) => (b > a ? b : a), 0n);
  return stem + String(highest + 1n).padStart(digits.length, "0");
}
