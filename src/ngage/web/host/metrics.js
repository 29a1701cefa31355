// What the console reads of /metrics: text in Prometheus' format, and differences between readings.

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="([^"]*)"/g;

// [{ name, labels, value }]
export function parse(text) {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (!name) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key, text]) => [key, text]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

function sum(samples, name) {
  return samples.filter((one) => one.name === name).reduce((total, { value }) => total + value, 0);
}

export class Metrics {
  constructor() {
    this.before = null;
  }

  // { cpu, skips, skipsPerSecond, connections, delays: [[stage, milliseconds]] } since the reading
  // before; a value is null where one reading does not tell.
  take(text, atMs) {
    const now = { atMs, samples: parse(text) };
    const before = this.before;
    this.before = now;
    const seconds = before ? (atMs - before.atMs) / 1000 : 0;
    const rate = (name) => {
      if (!seconds) return null;
      return (sum(now.samples, name) - sum(before.samples, name)) / seconds;
    };
    return {
      cpu: rate("process_cpu_seconds_total"),
      skips: sum(now.samples, "ngage_messages_skipped_total"),
      skipsPerSecond: rate("ngage_messages_skipped_total"),
      connections: sum(now.samples, "ngage_client_websockets"),
      delays: delays(now.samples, before?.samples ?? []),
    };
  }
}

// The median of each stage's delay, of what has been measured since.
function delays(samples, earlier) {
  const name = "ngage_video_delay_seconds_bucket";
  const key = ({ labels }) => `${labels.channel} ${labels.stage} ${labels.le}`;
  const before = earlier.filter((one) => one.name === name);
  const known = new Map(before.map((one) => [key(one), one.value]));
  const stages = new Map();
  for (const one of samples) {
    if (one.name !== name) continue;
    const buckets = stages.get(one.labels.stage) ?? new Map();
    const bound = one.labels.le === "+Inf" ? Infinity : Number(one.labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + one.value - (known.get(key(one)) ?? 0));
    stages.set(one.labels.stage, buckets);
  }
  const sorted = (buckets) => [...buckets].sort(([a], [b]) => a - b);
  return [...stages].map(([stage, buckets]) => [stage, median(sorted(buckets))]);
}

// Milliseconds, between the bounds of the bucket where half of all are reached; null without any.
function median(buckets) {
  const half = (buckets.at(-1)?.[1] ?? 0) / 2;
  if (!half) return null;
  let [low, below] = [0, 0];
  for (const [bound, reached] of buckets) {
    if (reached >= half) {
      const share = (half - below) / (reached - below);
      return bound === Infinity ? low * 1000 : (low + (bound - low) * share) * 1000;
    }
    [low, below] = [bound, reached];
  }
  return null;
}
