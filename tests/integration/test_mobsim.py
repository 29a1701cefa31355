"""mobsim's command line against servers that are good, bad, slow, dead or not there."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ngage.mob.measure.results import Result
from ngage.mob.scenario.file import dump
from ngage.mob.scenario.ready import ready_names, ready_scenario
from tests.helpers.daemon import Daemon
from tests.helpers.mobsim import Ended, mobsim, running
from tests.helpers.stage import Visit, numbered, staged
from tests.helpers.wait import wait_until

CONTRACT = {
    "version": None,
    "target": None,
    "fans": {"wanted", "connected", "failed"},
    "connect": {"per_second", "ms"},
    "messages": {"expected", "received", "gaps", "duplicates", "reordered"},
    "latency_ms": {"p50", "p90", "p99", "p99_9", "max", "count"},
    "votes": {"sent", "acknowledged", "counted", "lost", "doubled"},
    "generator": {"lag_ms_p99", "cpu_seconds", "bytes_per_fan"},
    "violations": None,
    "thresholds": None,
    "verdict": None,
}
EDGE = """
[[servers]]
name = "edge"
command = [
    "ngage-edge", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", "{config}",
]
config = '''
drain_seconds = 1
[channels."stage"]
history = 1024
'''

[publish]
url = "http://{edge.admin}"
rate = 20
"""
SCENARIO = """
[mob]
name = "test"
fans = 60
target = "ws://{edge}/ws/stage"
max_lag = "10s"

[[phases]]
name = "all"
duration = "2s"
arrival_rate = 200
"""


@pytest.fixture
def scenario(tmp_path: Path) -> "Scenarios":
    return Scenarios(tmp_path)


class Scenarios:
    """Writes scenario files: a small one, changed and continued."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, more: str = "", **changed: str) -> str:
        text = SCENARIO + EDGE + more
        for key, value in changed.items():
            before = next(line for line in SCENARIO.splitlines() if line.startswith(f"{key} ="))
            text = text.replace(before, f"{key} = {value}", 1)
        path = self.directory / "scenario.toml"
        path.write_text(text)
        return str(path)


def quick(target: str, *arguments: str, fans: int = 50, duration: str = "2") -> list[str]:
    return ["quick", "--target", target, "--fans", str(fans), "--duration", duration, *arguments]


def assert_contract(ended: Ended) -> None:
    for key, inner in CONTRACT.items():
        assert key in ended.result
        assert inner is None or inner <= ended.result[key].keys(), key
    assert ended.result["connect"]["ms"].keys() == CONTRACT["latency_ms"]
    assert ended.result["version"] == 1


# Runs that are good


def without_times(name: str, directory: Path) -> str:
    """A ready scenario but for its limits in milliseconds, which a busy machine would miss."""
    scenario = ready_scenario(name)
    kept = tuple(one for one in scenario.thresholds if not one.metric.endswith("_ms"))
    path = directory / f"{name}.toml"
    path.write_text(dump(replace(scenario, thresholds=kept, max_lag=60.0)))
    return str(path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """All ready scenarios at once: they mostly wait, so this takes as long as the longest."""
    directory = tmp_path_factory.mktemp("ready")
    with contextlib.ExitStack() as stack:
        runs = {
            name: stack.enter_context(
                running("run", without_times(name, directory), "--fans", "200")
            )
            for name in ready_names()
        }
        yield {name: run.end() for name, run in runs.items()}


@pytest.mark.parametrize("name", ready_names())
def test_ready_scenarios_pass(ready: dict[str, Ended], name: str) -> None:
    ended = ready[name]
    assert (ended.code, ended.result.get("verdict")) == (0, "pass"), ended.out + ended.errors
    assert_contract(ended)
    fans, messages = ended.result["fans"], ended.result["messages"]
    assert fans == {"wanted": 200, "connected": fans["connected"], "failed": 0}
    assert fans["connected"] > 150
    assert messages["received"] > 10 * fans["connected"]
    missing = messages["gaps"] + messages["told"] + messages["skipped"]
    repeated = messages["duplicates"]
    assert messages["expected"] == messages["received"] - repeated + missing
    assert ended.result["violations"] == []


def test_faults_of_servers_and_proxies_lose_nothing(scenario: "Scenarios") -> None:
    """And Python fans, in the same run. Killed edges have a new epoch: that is said."""
    fan = scenario.directory / "shopper.py"
    fan.write_text("from ngage.mob import Fan\n\n\nclass Shopper(Fan):\n    pass\n")
    faults = [
        ("0.5s", "stall", "link", 'for = "300ms"'),
        ("1s", "stop", "edge", 'for = "300ms"'),
        ("1.5s", "reset", "link", ""),
        ("2s", "upgrade", "edge", ""),
        ("5s", "kill", "edge", 'restart_after = "200ms"'),
    ]
    more = '[[proxies]]\nname = "link"\nserver = "edge"\n'
    for at, do, what, extra in faults:
        more += f'[[faults]]\nat = "{at}"\ndo = "{do}"\nwhat = "{what}"\n{extra}\n'
    more += '[personas.lurker]\nlike = "lurker"\n'
    more += '[personas.shopper]\npython = "shopper.py:Shopper"\nfans = 3\n'
    targets = '["ws://{edge}/ws/stage", "ws://{link}/ws/stage"]'
    ended = mobsim("run", scenario(more, target=targets, duration='"8s"'))
    assert ended.result["violations"] == [], ended.out
    assert ended.code == 0, ended.errors
    assert ended.result["connections"]["recovered"] > 0
    assert ended.result["connections"]["unrecovered"] > 0, "a new epoch after the kill"
    told = [moment["text"] for moment in ended.result["moments"] if moment["kind"] == "fault"]
    assert sum("is back" in text for text in told) == 2


def test_quick_publishes_to_an_edge(tmp_path: Path) -> None:
    with Daemon("--api-key", "secret") as daemon:
        arguments = ["--publish", daemon.admin, "--api-key", "secret", "--rate", "20"]
        outputs = ["--report", "a.html", "--junit", "a.xml", "--hgrm", "a.hgrm"]
        for place, name in enumerate(outputs[1::2]):
            outputs[2 * place + 1] = str(tmp_path / name)
        ended = mobsim(*quick(f"{daemon.url}/ws/stage", *arguments, *outputs))
        refused = mobsim(*quick(f"{daemon.url}/ws/stage", "--publish", daemon.admin))
    assert ended.code == 0, ended.out + ended.errors
    assert_contract(ended)
    assert ended.result["fans"] == {"wanted": 50, "connected": 50, "failed": 0}
    messages = ended.result["messages"]
    assert messages["received"] == messages["expected"] >= 50 * 30
    assert ended.result["latency_ms"]["count"] == messages["received"]
    assert "Passed" in ended.out
    assert "<html" in (tmp_path / "a.html").read_text()
    assert ElementTree.parse(tmp_path / "a.xml").getroot().tag.startswith("testsuite")
    assert "Percentile" in (tmp_path / "a.hgrm").read_text()
    result = tmp_path / "again.json"
    result.write_bytes(msgspec.json.encode(ended.result))
    again = tmp_path / "again.html"
    assert mobsim("report", str(result), "-o", str(again)).code == 0
    assert again.read_text() == (tmp_path / "a.html").read_text()
    assert refused.code == 2
    assert "401" in refused.errors or "key" in refused.errors
    assert msgspec.convert(ended.result, Result, strict=False).exit_code == 0


def test_metrics_are_served_meanwhile() -> None:
    # Connections that are made meanwhile take no port of this address.
    with socket.create_server(("127.100.0.1", 0)) as free:
        place = f"127.100.0.1:{free.getsockname()[1]}"
    with Daemon() as daemon:
        arguments = quick(f"{daemon.url}/ws/stage", "--metrics", place, "--publish", daemon.admin)
        with running(*arguments) as run:
            wait_until(lambda: scraped(place).get("mobsim_fans_open") == 50, "the fans to be told")
            assert scraped(place)["mobsim_fans_wanted"] == 50
            assert run.end().code == 0


def scraped(place: str) -> dict[str, float]:
    try:
        text = httpx.get(f"http://{place}/metrics", trust_env=False).text
    except httpx.TransportError:
        return {}
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


# Runs against servers of others


async def test_quick_listens_to_who_publishes_by_itself() -> None:
    async def script(visit: Visit) -> None:
        visit.send(visit.head())
        for number in range(1, 11):
            visit.send(numbered(number))
            await asyncio.sleep(0.1)
        await visit.end()

    async with staged(script) as port:
        ended = await asyncio.to_thread(mobsim, *quick(f"ws://127.0.0.1:{port}/any", fans=20))
    assert ended.code == 0, ended.out + ended.errors
    assert ended.result["messages"]["received"] == ended.result["messages"]["expected"] == 200


@pytest.mark.parametrize(
    ("sequences", "kind", "expected", "got"),
    [((1, 2, 4, 5), "gap", 3, 4), ((1, 2, 2, 3), "duplicate", 3, 2)],
)
async def test_a_violation_names_fan_channel_and_numbers(
    sequences: tuple[int, ...], kind: str, expected: int, got: int
) -> None:
    async def script(visit: Visit) -> None:
        visit.send(visit.head(), numbered(*sequences))
        await visit.end()

    async with staged(script) as port:
        ended = await asyncio.to_thread(
            mobsim, *quick(f"ws://127.0.0.1:{port}/any", fans=2, duration="0.3")
        )
    assert (ended.code, ended.result["verdict"]) == (3, "invariant")
    found = ended.result["violations"]
    assert sorted(one["fan"] for one in found) == [0, 1]
    assert {(one["kind"], one["channel"], one["persona"]) for one in found} == {
        (kind, "/any", "lurker")
    }
    assert {(one["expected"], one["got"]) for one in found} == {(expected, got)}
    assert ended.result["reasons"] == [f"{kind}: 2"]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = mobsim(*quick(f"ws://127.0.0.1:{port}/any", fans=5, duration="0.3"))
    assert (ended.code, ended.result["verdict"]) == (99, "threshold")
    assert ended.result["fans"] == {"wanted": 5, "connected": 0, "failed": 5}
    assert ended.result["thresholds"] == [
        {"metric": "fans", "expr": "value>0", "value": 0.0, "ok": False}
    ]


# Runs that fail, are not valid, or end early


def test_a_missed_threshold(scenario: "Scenarios") -> None:
    more = '[thresholds]\ndeliver_ms = ["p(50)<0.000001"]\ngaps = ["count==0"]\n'
    ended = mobsim("run", scenario(more))
    assert (ended.code, ended.result["verdict"]) == (99, "threshold")
    assert [one["ok"] for one in ended.result["thresholds"]] == [False, True]


def test_a_threshold_may_end_the_run(scenario: "Scenarios") -> None:
    more = '[thresholds]\ndeliver_ms = [{ expr = "p(50)<0.000001", abort_on_fail = true }]\n'
    ended = mobsim("run", scenario(more, duration='"40s"'))
    assert (ended.code, ended.result["verdict"]) == (99, "threshold")
    assert ended.result["seconds"] < 30
    assert "abort" in [one["kind"] for one in ended.result["moments"]]


def test_a_generator_that_is_late(scenario: "Scenarios") -> None:
    ended = mobsim("run", scenario(max_lag="0", duration='"1s"'))
    assert (ended.code, ended.result["verdict"]) == (4, "saturated")
    assert "late" in ended.result["reasons"][0]


def test_an_interrupted_run_tells_what_it_has() -> None:
    with Daemon() as daemon:
        arguments = ["--publish", daemon.admin, "--rate", "20"]
        with running(*quick(f"{daemon.url}/ws/stage", *arguments, duration="10m")) as run:
            wait_until(lambda: daemon.metrics()["ngage_client_connections"] == 50, "the fans")
            run.process.send_signal(signal.SIGINT)
            ended = run.end()
    assert ended.code == 130
    assert_contract(ended)
    assert ended.result["fans"]["connected"] == 50
    assert ended.result["violations"] == []
    assert "fans" in ended.out


def test_a_crash_of_a_server_is_a_violation(scenario: "Scenarios") -> None:
    dying = "echo ready public=http://127.0.0.1:1; sleep 1; exit 7"
    more = f'[[servers]]\nname = "dying"\ncommand = ["sh", "-c", "{dying}"]\n'
    ended = mobsim("run", scenario(more, duration='"30s"'))
    assert ended.code == 3, ended.out + ended.errors
    assert [one["kind"] for one in ended.result["violations"]] == ["crash"]
    assert ended.result["seconds"] < 25


# Usage


@pytest.mark.parametrize("arguments", [["--wings"], ["run", "tunel"], ["report", "no.json"]])
def test_wrong_usage(arguments: list[str]) -> None:
    ended = mobsim(*arguments)
    assert (ended.code, ended.result) == (2, {})
    assert "Traceback" not in ended.errors
    assert ended.errors.strip()


def test_a_mistake_in_a_scenario_is_named_with_its_line(scenario: "Scenarios") -> None:
    path = scenario("[mobb]\n")
    line = 1 + Path(path).read_text().splitlines().index("[mobb]")
    ended = mobsim("run", path)
    assert ended.code == 2
    assert f"scenario.toml:{line}: mobb: unknown" in ended.errors


def test_the_ready_scenarios_are_listed() -> None:
    ended = mobsim("scenarios")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == list(ready_names())
