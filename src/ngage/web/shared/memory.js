// What a browser keeps of who it is and what it chose. Storage may be forbidden: then it forgets.

export function recall(key, storage = localStorage) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

export function keep(key, value, storage = localStorage) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, JSON.stringify(value));
  } catch {
    // Full, or not allowed: what matters lives in the page as well.
  }
}
