// Text on the page, written only where it changes: a screen reader tells changes.

export const element = (id) => document.getElementById(id);

export function show(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

export function milliseconds(value) {
  return value === null ? "–" : `${Math.round(value)} ms`;
}
