// A bar of which a share is filled.

export function stretch(fill, share) {
  fill.style.transform = `scaleX(${Math.max(0, Math.min(1, share))})`;
}

// The share of a choice, where there is a tally.
export function shareOf(tally, place) {
  return tally?.voters ? tally.counts[place] / tally.voters : 0;
}
