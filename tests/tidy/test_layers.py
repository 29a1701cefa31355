"""A lower layer never imports a higher one, in both planes, and nothing imports in a circle."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src"
CORE = SOURCES / "ngage_core"
CONTROL = SOURCES / "ngage"

# The data plane. A file may cimport files of its own layer or lower ones.
CORE_LAYERS = {
    # 1: numbers, counters, declarations of the private headers, system calls
    **dict.fromkeys(["codes", "limits", "counters", "span", "histogram"], 1),
    **dict.fromkeys(["platform", "atomic", "simd", "sysio", "clock", "file"], 1),
    # 2: bytes and structs: no system call, no thread
    **dict.fromkeys(["utf8", "sha1", "deflate", "frame", "upgrade", "payload", "channel"], 2),
    **dict.fromkeys(["outbox", "ring", "reclaim", "paths", "conn", "members", "wheel"], 2),
    **dict.fromkeys(["offer", "waiters", "sha256", "ticket", "identity", "presence"], 2),
    **dict.fromkeys(["vote", "registers", "buckets"], 2),
    # of the crowd: the fan and what is shared, then what it checks, then what it reads
    **dict.fromkeys(["swarm_fan", "swarm_payload", "swarm_head", "swarm_plan"], 2),
    **dict.fromkeys(["swarm_random", "swarm_oracle", "swarm_raw", "swarm_stream"], 2),
    **dict.fromkeys(["swarm_votes", "swarm_tickets", "swarm_v1"], 2),
    **dict.fromkeys(["swarm_json", "swarm_commands", "swarm_centrifugo"], 2),
    # 3: what a poller is, what all shards share, what a poll is; 4: the pollers, the state of a
    # shard, of the votes thread
    **dict.fromkeys(["poller", "hub", "journal", "ballot"], 3),
    **dict.fromkeys(["epoll", "uring", "backend", "open", "offers", "shard"], 4),
    "votes_batch": 4,
    # 5: the steps of a turn, the turn, the thread that takes it, the writer's side
    **dict.fromkeys(["lifecycle", "own", "rung", "lag", "write", "answer", "handshake"], 5),
    **dict.fromkeys(["inbox", "ingest", "message", "park", "plan", "sweep", "timers"], 5),
    **dict.fromkeys(["client", "verbs", "accept", "commands"], 5),
    **dict.fromkeys(["turn", "thread", "control", "votes_thread"], 5),
    **dict.fromkeys(["swarm_squad", "swarm_connection", "swarm_steps", "swarm_thread"], 5),
    "swarm_speech": 5,
    # 6: what Python holds
    **dict.fromkeys(["channels", "engine", "protocol", "swarm", "swarm_build", "votes"], 6),
}

# The control plane, by module or package.
CONTROL_LAYERS = {
    **dict.fromkeys(["errors", "events", "keys", "limits"], 1),
    **dict.fromkeys(["options", "pushes", "responses", "qr"], 1),
    "inbox": 2,
    **dict.fromkeys(["checking", "settings", "tickets", "hostkeys", "identity"], 2),
    **dict.fromkeys(["logs", "capacity", "bridge"], 3),
    **dict.fromkeys(["channel", "clients"], 4),
    "api": 5,
    **dict.fromkeys(["metrics", "lifecycle", "video", "web", "mob", "pages"], 6),
    **dict.fromkeys(["centrifugo", "interaction"], 6),
    **dict.fromkeys(["admin", "demo"], 7),
    **dict.fromkeys(["daemon", "studio"], 8),
    **dict.fromkeys(["__init__", "__main__"], 9),
}

# The Mob Simulator, by module or package.
MOB_LAYERS = {
    **dict.fromkeys(["hints", "model", "interrupt"], 1),
    "measure": 2,
    **dict.fromkeys(["scenario", "show"], 3),
    "world": 4,
    "crowd": 4,
    **dict.fromkeys(["ledger", "voting"], 5),
    "run": 6,
    **dict.fromkeys(["capacity", "hunt"], 7),
    **dict.fromkeys(["__init__", "arguments", "search"], 8),
    "cli": 9,
}

CIMPORT = re.compile(
    r"^(?:from ngage_core\.(\w+) cimport|cimport ngage_core\.(\w+)|from ngage_core cimport (\w+))",
    re.MULTILINE,
)


def core_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in [*CORE.glob("*.pxd"), *CORE.glob("*.pyx")]:
        found = {"".join(names) for names in CIMPORT.findall(path.read_text())}
        graph.setdefault(path.stem, set()).update(found - {path.stem})
    graph.pop("__init__")
    return graph


def control_modules() -> Iterator[tuple[str, str, ast.Module]]:
    for path in CONTROL.rglob("*.py"):
        relative = path.relative_to(CONTROL)
        yield str(relative), relative.parts[0].removesuffix(".py"), ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    """Every dotted name imported, as "package.module" or "package.module.name"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def control_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for _, unit, tree in control_modules():
        found = {name.split(".")[1] for name in imports(tree) if name.startswith("ngage.")}
        graph.setdefault(unit, set()).update(found & CONTROL_LAYERS.keys() - {unit})
    return graph


def mob_graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for path in (CONTROL / "mob").rglob("*.py"):
        unit = path.relative_to(CONTROL / "mob").parts[0].removesuffix(".py")
        found = {
            name.split(".")[2]
            for name in imports(ast.parse(path.read_text()))
            if name.startswith("ngage.mob.")
        }
        graph.setdefault(unit, set()).update(found & MOB_LAYERS.keys() - {unit})
    return graph


def upward(graph: dict[str, set[str]], layers: dict[str, int]) -> list[str]:
    return [
        f"{name} (layer {layers[name]}) imports {used} (layer {layers[used]})"
        for name, uses in sorted(graph.items())
        for used in sorted(uses)
        if layers[used] > layers[name]
    ]


def test_every_file_has_a_layer() -> None:
    assert core_graph().keys() <= CORE_LAYERS.keys()
    assert control_graph().keys() <= CONTROL_LAYERS.keys()
    assert mob_graph().keys() <= MOB_LAYERS.keys()


def test_core_imports_downward() -> None:
    graph = core_graph()
    assert upward(graph, CORE_LAYERS) == []
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_control_plane_imports_downward() -> None:
    graph = control_graph()
    assert upward(graph, CONTROL_LAYERS) == []
    TopologicalSorter(graph).prepare()


def test_mobsim_imports_downward() -> None:
    graph = mob_graph()
    assert upward(graph, MOB_LAYERS) == []
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("native", "bridge"),
    [("engine|votes|open|offers|epoll|uring|backend", "bridge.py"), ("swarm", "mob/crowd.py")],
)
def test_one_bridge_to_each_native_part(native: str, bridge: str) -> None:
    meets = {
        file
        for file, _, tree in control_modules()
        if any(re.match(rf"ngage_core\.({native})", name) for name in imports(tree))
    }
    assert meets == {bridge}


def test_only_the_command_line_reads_the_environment() -> None:
    """settings.load() and everything else are given it."""
    reads = {
        file
        for file, _, tree in control_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert reads == {"daemon/cli.py", "mob/cli.py", "studio/cli.py"}


def test_only_sysio_declares_system_calls() -> None:
    """Any other system header in the core is one of pure memory and string functions."""
    declared = re.compile(r'cdef extern from "<([\w/]+\.h)>"|from (posix|libc)\.(\w+) cimport')
    allowed = {"stdint", "stddef", "stdio", "stdlib", "string", "errno", "math"}
    allowed |= {"zlib.h", "string.h", "strings.h"}
    for path in [*CORE.glob("*.pxd"), *CORE.glob("*.pyx")]:
        if path.stem == "sysio":
            continue
        for header, library, module in declared.findall(path.read_text()):
            assert library != "posix", path.name
            assert (header or module) in allowed, path.name
