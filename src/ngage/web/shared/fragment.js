// A secret in the fragment of the address, which no server sees: read once, taken off the address
// bar, and kept until the tab is closed.

import { keep, recall } from "./memory.js";

export function takeFragment(name) {
  const key = `ngage.${name} ${location.pathname}`;
  const found = new URLSearchParams(location.hash.slice(1)).get(name);
  if (found) {
    keep(key, found, sessionStorage);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return found ?? recall(key, sessionStorage) ?? "";
}
