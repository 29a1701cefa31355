"""The comparison with other servers: what is run, what is kept, what is written of it."""

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.peers import run
from bench.peers.chart import Bars, chart
from bench.peers.footprint import footprint, process_tree
from bench.peers.measure import Load, Sample
from bench.peers.peers import PEERS, Erlang, Go, Node, PeerError, choose
from bench.peers.results import crowds, drawing, part, table
from ngage.mob.measure.results import (
    Connect,
    Fans,
    Generator,
    Messages,
    Percentiles,
    Result,
    Verdict,
)
from tests.helpers.wait import wait_until

LOAD = Load(4, 1, tick=0.5, seconds=1)
BURST = Load(4, 8, tick=2, seconds=4)


def sample(peer: str = "ngage", **figures: Any) -> Sample:
    values: dict[str, Any] = {
        "peer": peer,
        "version": "1.0",
        "load": LOAD,
        "upgrades_per_second": 1000.0,
        "upgrade_us": 30.0,
        "connection_bytes": 200.0,
        "delivery_us": 8.0,
        "delivery_switches": 0.1,
        "latency_ms": (1.0, 2.0, 30.0),
        "deliveries": 8,
        "incomplete": 0,
        "saturated": False,
        "load_average": 0.5,
        "network": "the host's",
    }
    return Sample(**{**values, **figures})


def row(text: str, title: str) -> list[str]:
    """The cells of the only row with this title."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


# What is written


def test_figures_are_medians_with_their_ratio_to_ngage() -> None:
    samples = [
        *(sample(delivery_us=cost) for cost in (7.0, 8.0, 100.0)),
        *(sample("go", delivery_us=cost) for cost in (12.0, 11.0, 13.0)),
    ]
    text = table(samples)
    assert row(text, "ngage-edge")[4:6] == ["8.00 = 1.00x", "1.0 / 2.0 / 30"]
    assert row(text, "Go gorilla")[4] == "12.00 = 1.50x"


def test_loads_stand_apart_and_connecting_is_of_both() -> None:
    samples = [
        sample(upgrades_per_second=1000.0),
        sample(load=BURST, upgrades_per_second=3000.0, delivery_us=2.0),
    ]
    cells = row(table(samples), "ngage-edge")
    assert cells[1] == "2,000"
    assert (cells[4], cells[6]) == ("8.00 = 1.00x", "2.00 = 1.00x")


def test_a_measurement_that_is_not_sound_is_marked() -> None:
    lossy, late = sample("ws", incomplete=1), sample("picows", saturated=True)
    text = table([sample(), lossy, sample("ws"), late])
    assert row(text, "node ws")[4].endswith("†")
    assert row(text, "picows")[4].endswith("‡")
    assert row(text, "ngage-edge")[4] == "8.00 = 1.00x"


def test_what_was_not_measured_is_left_out() -> None:
    text = table([sample("ws", load=BURST)])
    assert "picows" not in text
    assert row(text, "node ws")[4:] == ["", "", "8.00", "1.0 / 2.0 / 30"]


def test_the_part_tells_versions_machine_and_load() -> None:
    text = part([sample(load_average=0.25), sample("go", version="1.5.0", load_average=1.0)])
    assert "| Go gorilla | 1.5.0 | all |" in text
    assert "0.2 to 1.0" in text
    assert "the host's" in text


def test_bars_are_as_long_as_their_values() -> None:
    text = chart("Title", ["a", "b"], [Bars("<heading>", [("x", [10.0, 5.0]), ("y", [None, 1.0])])])
    root = ET.fromstring(text)
    rects = [e for e in root.iter() if e.tag.endswith("rect") and e.get("x") == "190"][1:]
    longest, *others = [float(rect.attrib["width"]) for rect in rects]
    assert [round(width / longest, 2) for width in others] == [0.5, 0.1]
    assert "<heading>" in [element.text for element in root.iter()]


def test_the_chart_shows_every_peer() -> None:
    text = drawing(crowds([sample(), sample("go")])[0])
    assert [text.count(name) for name in (">ngage-edge<", ">Go gorilla<")] == [3, 3]


# What is run

STUB = """
import json, shutil, sys
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
for mark in {marks!r}:
    print(" 0:01  phase:", mark, flush=True)
shutil.copy({result!r}, sys.argv[sys.argv.index("--json") + 1])
"""


class Stub:
    """A mobsim that says what it is told to say, and runs of the comparison with it."""

    def __init__(self, directory: Path, marks: tuple[str, ...]) -> None:
        self.calls = directory / "calls"
        self.calls.touch()
        result = directory / "result"
        Result(
            target="",
            fans=Fans(wanted=4, connected=4, failed=0),
            connect=Connect(per_second=100.0),
            messages=Messages(expected=8, received=7, gaps=1),
            latency_ms=Percentiles(p50=1.0, p99=2.0, max=3.0),
            generator=Generator(),
            violations=[],
            thresholds=[],
            verdict=Verdict.INVARIANT,
        ).write(result)
        self.program = directory / "stub.py"
        self.program.write_text(STUB.format(calls=str(self.calls), marks=marks, result=str(result)))
        self.raw = directory / "raw"

    def run(self) -> int:
        options = ["--rounds", "2", "--raw", str(self.raw), "--host-network"]
        return run.main(["picows", *options, "--mobsim", sys.executable, str(self.program)])

    def commands(self) -> list[list[str]]:
        return [msgspec.json.decode(line) for line in self.calls.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _one_small_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "LOADS", [LOAD])


def test_each_round_is_measured_once_and_kept(tmp_path: Path) -> None:
    stub = Stub(tmp_path, ("connected", "drained"))
    assert stub.run() == 0
    files = sorted(stub.raw.glob("*.json"))
    assert [file.name for file in files] == ["0-4-1-picows.json", "1-4-1-picows.json"]
    kept = msgspec.json.decode(files[0].read_bytes(), type=Sample)
    assert (kept.deliveries, kept.incomplete, kept.latency_ms) == (7, 1, (1.0, 2.0, 3.0))
    assert stub.run() == 0
    assert len(stub.commands()) == 2


def test_mobsim_is_told_the_load(tmp_path: Path) -> None:
    stub = Stub(tmp_path, ("connected", "drained"))
    stub.run()
    verb, *words = stub.commands()[0]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert verb == "quick"
    assert options["--target"].removesuffix("/ws/stage") == options["--publish"].removesuffix(
        "/publish"
    )
    told = {name: options[f"--{name}"] for name in ("fans", "duration", "rate", "burst", "size")}
    assert told == {"fans": "4", "duration": "1s", "rate": "2", "burst": "1", "size": "128"}


def test_a_measurement_that_fails_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stub = Stub(tmp_path, ("connected",))
    assert stub.run() == 1
    assert list(stub.raw.glob("*.json")) == []
    assert "failed 0-4-1-picows" in capsys.readouterr().err


# Who takes part


def test_peers_are_chosen_by_name() -> None:
    assert [peer.name for peer in choose(["go", "ngage"])] == ["go", "ngage"]
    assert choose([]) == list(PEERS)
    with pytest.raises(PeerError, match="no such peer: rust"):
        choose(["rust"])


@pytest.mark.parametrize(
    ("peer", "package"), [(Go(), "golang-go"), (Erlang(), "erlang-base"), (Node(), "nodejs")]
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, peer: Any, package: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert f"apt-get install {package}" in peer.missing()


# What it costs


def test_a_footprint_is_of_all_processes() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE) as parent:
        try:
            wait_until(lambda: len(process_tree(parent.pid)) == 2, "the child")
            both, one = footprint(process_tree(parent.pid)), footprint([parent.pid])
            assert both.resident_bytes > one.resident_bytes > 0
            (child,) = process_tree(parent.pid)[1:]
            subprocess.run(["kill", str(child)], check=True)
        finally:
            parent.kill()


def test_cpu_time_is_counted_to_the_last_moment() -> None:
    before = footprint([os.getpid()])
    begin = time.process_time()
    while time.process_time() - begin < 0.02:
        pass
    assert (footprint([os.getpid()]) - before).cpu_seconds >= 0.02
