// JSON in which long seeds survive. A seed goes up to 2^63 - 1, a JavaScript number is exact up to 2^53: a seed of 16
// digits or more is a string of digits here, and a number on the wire.

const LONG_SEED = /("seed"\s*:\s*)(\d{16,})(?=\s*[,}])/g;
const SEED_OF_DIGITS = /"seed":"(\d+)"/g;

export function parse(text) {
  return JSON.parse(text.replace(LONG_SEED, '$1"$2"'));
}

export function stringify(value) {
  return JSON.stringify(value).replace(SEED_OF_DIGITS, '"seed":$1');
}
