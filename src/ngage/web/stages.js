// Where the delay arises, from entering to the screen, in milliseconds.

import { milliseconds, show } from "./dom.js";

// `stats` has what this page measures, and what the server told of itself. What it did not tell is
// in `network`; so is, where the clocks differ, only what exceeds the fastest message.
export function stagesOf({ madeMs, linkMs, transitMs, heldMs, clocksDiffer }) {
  const before = clocksDiffer ? 0 : (madeMs ?? 0) + (linkMs ?? 0);
  const network = transitMs === null ? null : Math.max(0, transitMs - before);
  return { made: madeMs, link: linkMs, network, held: heldMs };
}

export function showStages(stats) {
  const stages = stagesOf(stats);
  for (const stage of ["made", "link", "held"]) show(stage, milliseconds(stages[stage]));
  show("network", (stats.clocksDiffer ? "≈ " : "") + milliseconds(stages.network));
}
