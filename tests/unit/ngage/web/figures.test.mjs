import assert from "node:assert/strict";
import { test } from "node:test";

import { parse, Metrics } from "../../../../src/ngage/web/host/metrics.js";
import { clock, count, percentages } from "../../../../src/ngage/web/shared/figures.js";

test("shares of single votes add up to 100", () => {
  assert.deepEqual(percentages([1, 1, 1], 3, 1), [34, 33, 33]);
  assert.deepEqual(percentages([2, 1, 0], 3, 1), [67, 33, 0]);
  assert.deepEqual(percentages([0, 0], 0, 1), [0, 0]);
  for (let n = 1; n < 60; n++) {
    const counts = [n, 7, 3 * n, 1];
    const voters = counts.reduce((a, b) => a + b);
    assert.equal(percentages(counts, voters, 1).reduce((a, b) => a + b), 100);
  }
});

test("shares of several votes are of the voters", () => {
  assert.deepEqual(percentages([4, 2, 1], 4, 2), [100, 50, 25]);
});

test("numbers and times are short", () => {
  assert.equal(count(12_345).replace(/\D/g, ""), "12345");
  assert.match(count(1_234_567), /^1.2/);
  assert.deepEqual([9_001, 60_000, 3_723_000, -5].map(clock), ["10 s", "1:00", "1:02:03", "0 s"]);
});

test("metrics are read with their labels", () => {
  assert.deepEqual(parse('# HELP x y\nx{a="b",le="+Inf"} 1.5\nplain 2\n'), [
    { name: "x", labels: { a: "b", le: "+Inf" }, value: 1.5 },
    { name: "plain", labels: {}, value: 2 },
  ]);
});

test("figures are of the time between two readings", () => {
  const text = (cpu, fast, all) => `process_cpu_seconds_total ${cpu}
ngage_messages_skipped_total{policy="ring"} ${cpu}
ngage_video_delay_seconds_bucket{channel="v",le="0.1",stage="link"} ${fast}
ngage_video_delay_seconds_bucket{channel="v",le="0.3",stage="link"} ${all}
ngage_video_delay_seconds_bucket{channel="v",le="+Inf",stage="link"} ${all}`;
  const metrics = new Metrics();
  assert.equal(metrics.take(text(1, 1000, 1000), 0).cpu, null);
  const { cpu, skips, skipsPerSecond, delays } = metrics.take(text(3, 1000, 1100), 4_000);
  assert.deepEqual([cpu, skips, skipsPerSecond], [0.5, 3, 0.5]);
  assert.deepEqual(delays.map(([stage, ms]) => [stage, Math.round(ms)]), [["link", 200]]);
});
