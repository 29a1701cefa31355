// Numbers as people read them.

const COMPACT_FROM = 100_000;
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

export function count(number) {
  return number < COMPACT_FROM ? number.toLocaleString() : compact.format(number);
}

export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

// 9 s, 1:05, 1:02:03. What is left is rounded up: 0 means over.
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (!parts[0]) parts.shift();
  return parts.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

// Whole percentages of each. Where everybody has one choice they add up to 100: the largest
// remainders are rounded up.
export function percentages(counts, voters, most) {
  if (!voters) return counts.map(() => 0);
  const exact = counts.map((number) => (number * 100) / voters);
  if (most > 1) return exact.map(Math.round);
  const whole = exact.map(Math.floor);
  const left = 100 - whole.reduce((sum, share) => sum + share, 0);
  const places = [...exact.keys()].sort((a, b) => exact[b] - whole[b] - (exact[a] - whole[a]));
  for (const place of places.slice(0, left)) whole[place]++;
  return whole;
}
