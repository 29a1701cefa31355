// The event as a page knows it: its state and its tallies, each as last published. Tells of
// "change" (the state), "tally", and "reactions" since the tally before.

export class Show extends EventTarget {
  constructor(id, client, clock) {
    super();
    this.id = id;
    this.clock = clock;
    this.state = null;
    this.tallies = new Map();
    this.viewers = null;
    client.subscribe(`event:${id}`, {
      publication: (state) => {
        this.state = state;
        this.dispatchEvent(new Event("change"));
      },
      refused: (error) => this.dispatchEvent(new CustomEvent("refused", { detail: error })),
    });
    client.subscribe(`tally:${id}`, { publication: (tally, { isOld }) => this.take(tally, isOld) });
  }

  take({ t, viewers, polls = {}, reactions = [] }, isOld) {
    if (!isOld) this.clock.since(t);
    this.viewers = viewers ?? this.viewers;
    for (const [poll, tally] of Object.entries(polls)) this.tallies.set(Number(poll), tally);
    this.dispatchEvent(new Event("tally"));
    if (!isOld && reactions.some(Boolean)) {
      this.dispatchEvent(new CustomEvent("reactions", { detail: reactions }));
    }
  }

  // { counts, voters } of a poll, or null where there is nothing to show.
  result({ id, result }) {
    return result ?? this.tallies.get(id) ?? null;
  }

  isOn(feature) {
    return this.state.features[feature] !== false;
  }
}
