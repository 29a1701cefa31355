// The server API as a host may call it: everything that names this event.

// Methods about the event itself call it `id`, all others `event`.
const BY_ID = /^event_/;

// A browser may begin to read a file only after the click.
const SAVED_MS = 10_000;

export class ApiError extends Error {}

export class Api {
  constructor(event, key) {
    this.event = event;
    this.key = key;
  }

  // The result, or an ApiError that says why not.
  async call(method, body = {}) {
    const name = BY_ID.test(method) ? "id" : "event";
    const answer = await this.fetch(`/api/${method}`, {
      method: "POST",
      body: JSON.stringify({ [name]: this.event, ...body }),
    });
    return (await answer.json()).result;
  }

  // A file of a poll's votes, saved under a name.
  async save(poll, kind) {
    const query = new URLSearchParams({ event: this.event, poll });
    const answer = kind === "csv"
      ? await this.fetch(`/api/poll_audit.csv?${query}`)
      : await this.fetch("/api/poll_audit", {
        method: "POST", body: JSON.stringify({ event: this.event, poll }),
      });
    const url = URL.createObjectURL(await answer.blob());
    const link = document.createElement("a");
    link.href = url;
    link.download = `${this.event}-${poll}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), SAVED_MS);
  }

  async fetch(path, options = {}) {
    const headers = { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch {
      throw new ApiError("The server does not answer.");
    }
    if (answer.ok) return answer;
    const { error } = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status === 401 || answer.status === 403
      ? "This link is not valid any more. Ask for a new one."
      : `Refused: ${error?.message ?? answer.status}`);
  }
}
