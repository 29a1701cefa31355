// When to come back after a close code: never, after a while, or soon.

const MIN_MS = 500, MAX_MS = 20_000;
// A server that restarts or is full asks for patience.
const PATIENT_CODES = [1001, 1012, 1013, 3001], PATIENT_MS = 10_000;
// Who looks at the page again wants to see it, but a crowd may do so at once.
export const HURRY_MS = 1_000;

export function isTerminal(code) {
  return (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
}

export function isPatient(code) {
  return PATIENT_CODES.includes(code);
}

// The wait is anywhere between nothing and this, so that a crowd does not come back at once.
export function retryCeilingMs(code, failures) {
  return Math.max(Math.min(MAX_MS, MIN_MS * 2 ** failures), isPatient(code) ? PATIENT_MS : 0);
}
