"""What the measurements say: medians, ratios to ngage, their part of RESULTS.md."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench import page
from bench.peers.chart import Bars, chart
from bench.peers.measure import PUBLICATION_BYTES, Sample
from bench.peers.peers import PEERS
from ngage.mob.measure.machine import machine

BENCH = Path(__file__).parents[1]
PART = "peers"
BURSTS = (1, 8)
INCOMPLETE, SATURATED = "†", "‡"
COLUMNS = ["upgrades per s", "us per upgrade", "bytes per connection"]
OF_A_BURST = ["us per delivery", "p50 / p99 / max ms"]
METHOD = (Path(__file__).parent / "method.md").read_text()

Figure = Callable[[Sample], float]


class Cell:
    """The measurements of one peer under one load (or all loads of a crowd)."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples

    def median(self, figure: Figure) -> float:
        return median(map(figure, self.samples))

    @property
    def marks(self) -> str:
        incomplete = any(sample.incomplete for sample in self.samples)
        saturated = any(sample.saturated for sample in self.samples)
        return INCOMPLETE * incomplete + SATURATED * saturated


class Crowd:
    """All measurements with so many fans."""

    def __init__(self, fans: int, samples: Sequence[Sample]) -> None:
        self.fans = fans
        self.samples = [sample for sample in samples if sample.load.fans == fans]

    def peers(self) -> list[str]:
        """Those that were measured, in the order of PEERS."""
        measured = {sample.peer for sample in self.samples}
        return [peer.name for peer in PEERS if peer.name in measured]

    def cell(self, peer: str, burst: int = 0) -> Cell | None:
        """Under the load with this burst, or all."""
        found = [s for s in self.samples if s.peer == peer and burst in {0, s.load.burst}]
        return Cell(found) if found else None

    def rows(self) -> list[list[str]]:
        return [
            [title(peer), *self._connecting(peer), *self._bursts(peer)] for peer in self.peers()
        ]

    def _connecting(self, peer: str) -> list[str]:
        cell = self.cell(peer)
        assert cell
        return [
            f"{cell.median(lambda s: s.upgrades_per_second):,.0f}",
            f"{cell.median(lambda s: s.upgrade_us):.0f}",
            f"{cell.median(lambda s: s.connection_bytes):,.0f}",
        ]

    def _bursts(self, peer: str) -> list[str]:
        texts = []
        for burst in BURSTS:
            cell, ngage = self.cell(peer, burst), self.cell("ngage", burst)
            if cell is None:
                texts += ["", ""]
                continue
            cost = cell.median(delivery)
            ratio = f" = {cost / ngage.median(delivery):.2f}x" if ngage else ""
            times = [median(ms) for ms in zip(*(s.latency_ms for s in cell.samples), strict=True)]
            texts += [
                f"{cost:.2f}{ratio}{cell.marks}",
                " / ".join(f"{time:,.0f}" if time >= 10 else f"{time:.1f}" for time in times),
            ]
        return texts


def delivery(sample: Sample) -> float:
    return sample.delivery_us


def title(name: str) -> str:
    return next(peer.title for peer in PEERS if peer.name == name)


def crowds(samples: Sequence[Sample]) -> list[Crowd]:
    return [Crowd(fans, samples) for fans in sorted({sample.load.fans for sample in samples})]


def table(samples: Sequence[Sample]) -> str:
    """Markdown: a table for each crowd."""
    head = ["", *COLUMNS, *(f"{burst} a tick: {name}" for burst in BURSTS for name in OF_A_BURST)]
    parts = []
    for crowd in crowds(samples):
        loads = {(s.load.burst, s.load.tick, s.load.seconds) for s in crowd.samples}
        ticks = "; ".join(f"{b} every {t:g} s for {d:g} s" for b, t, d in sorted(loads))
        parts.append(f"#### {crowd.fans:,} subscribers\n\nPublished: {ticks}.\n")
        rows = [head, ["---"] + ["---:"] * (len(head) - 1), *crowd.rows()]
        parts += ["| " + " | ".join(row) + " |" for row in rows]
        parts.append("")
    return "\n".join(parts)


def part(samples: Sequence[Sample]) -> str:
    """What is in RESULTS.md."""
    loads = sorted(sample.load_average for sample in samples)
    versions = {sample.peer: sample.version for sample in samples}
    rounds = max(
        len([s for s in samples if (s.peer, s.load) == (one.peer, one.load)]) for one in samples
    )
    facts = [
        f"- Machine: {machine().partition(', load')[0]}. The server and mobsim share it.",
        f"- Load average before each measurement: {loads[0]:.1f} to {loads[-1]:.1f}, "
        f"median {median(loads):.1f}.",
        f"- Network: {' or '.join(sorted({sample.network for sample in samples}))}.",
        f"- Medians of {rounds} rounds; publications of {PUBLICATION_BYTES} bytes.",
    ]
    peers = ["| | version | cores it uses |", "|---|---|---|"] + [
        f"| {peer.title} | {versions[peer.name]} | {peer.cores} |"
        for peer in PEERS
        if peer.name in versions
    ]
    return "\n".join([METHOD, *facts, "", *peers, "", "### Figures\n", table(samples)])


def write(samples: Sequence[Sample]) -> None:
    """The part of bench/RESULTS.md and the chart of the largest crowd, bench/results.svg."""
    (BENCH / "results.svg").write_text(drawing(crowds(samples)[-1]))
    page.write(PART, part(samples))


def drawing(crowd: Crowd) -> str:
    peers = crowd.peers()

    def bars(heading: str, bursts: Sequence[int], figure: Figure) -> Bars:
        cells = [[crowd.cell(peer, burst) for burst in bursts] for peer in peers]
        values = [[cell.median(figure) if cell else None for cell in row] for row in cells]
        return Bars(heading, list(zip(map(title, peers), values, strict=True)))

    return chart(
        f"{crowd.fans:,} subscribers of one channel",
        [f"{burst} publication{'s' * (burst > 1)} a tick" for burst in BURSTS],
        [
            bars("CPU time of the server per delivery, us", BURSTS, delivery),
            bars("Memory of the server per connection, bytes", [0], lambda s: s.connection_bytes),
            bars("Latency to the 99th percentile, ms", BURSTS, lambda s: s.latency_ms[1]),
        ],
    )
