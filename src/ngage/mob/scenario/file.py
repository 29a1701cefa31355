"""A scenario as TOML, in both directions: docs/reference/mobsim-scenarios.md is its reference.

The records say which keys there are; fitting.py checks what must fit together.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ngage.errors import ScenarioError
from ngage.mob.hints import did_you_mean
from ngage.mob.measure import thresholds
from ngage.mob.model import (
    Fault,
    Phase,
    Poll,
    Proxy,
    Publish,
    Scenario,
    Server,
    Stimulus,
    Threshold,
)
from ngage.mob.scenario import nodes
from ngage.mob.scenario.delays import DELAY
from ngage.mob.scenario.fitting import check_names, check_times, check_urls
from ngage.mob.scenario.kinds import (
    FLAG,
    LONG_TEXT,
    MILLISECONDS,
    POSITIVE_SECONDS,
    SECONDS,
    SIZE,
    TEXT,
    Key,
    Kind,
    Record,
    bare_or_quoted,
    choice,
    inline_array,
    inline_table,
    listing,
    number,
    one_or_more,
    read_text,
    string,
    whole,
)
from ngage.mob.scenario.nodes import Node
from ngage.mob.scenario.personas import People, read_people, write_people

CHOICES_MAX = 32
FANS_MAX = 10_000_000
SEED_MAX = (1 << 63) - 1  # TOML's largest
LEAVE = "leave"  # what a stimulus may do beside the states of a persona

SECRET_PATTERN = re.compile(r"[0-9a-fA-F]{64}")
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]+")


def _read_name(value: object) -> str:
    if not isinstance(value, str) or not NAME_PATTERN.fullmatch(value):
        raise ValueError("it must be a name of letters, digits, - and _")
    return value


def _read_network(value: object) -> str:
    text = read_text(value[0] if isinstance(value, list) and len(value) == 1 else value)
    try:
        return text and str(ipaddress.IPv4Network(text))
    except ValueError:
        raise ValueError('it must be one network such as "127.1.0.0/16", or ""') from None


def _read_secret(value: object) -> str:
    text = read_text(value)
    if text and not SECRET_PATTERN.fullmatch(text):
        raise ValueError("it must be 64 hexadecimal digits")
    return text


def _read_environment(node: Node) -> tuple[tuple[str, str], ...]:
    return tuple((name, TEXT.read(node.child(name))) for name in node.table())


def _write_environment(variables: Iterable[tuple[str, str]]) -> str:
    return inline_table(f"{bare_or_quoted(name)} = {string(value)}" for name, value in variables)


NAME = Kind(lambda node: node.read(_read_name), string)
RATE = number()

MOB = Record(
    Scenario,
    (
        Key("name", TEXT),
        Key("target", one_or_more(TEXT), "targets"),
        Key("fans", whole(1, FANS_MAX)),
        Key("seed", whole(0, SEED_MAX)),
        Key("sources", Kind(lambda node: node.read(_read_network), string)),
        Key("secret", Kind(lambda node: node.read(_read_secret), string)),
        Key("skips", FLAG),
        Key("max_lag", SECONDS),
        Key("settle", SECONDS),
    ),
)
PHASE = Record(
    Phase,
    (
        Key("name", TEXT),
        Key("duration", POSITIVE_SECONDS),
        Key("arrival_rate", RATE),
        Key("ramp_to", RATE),
        Key("leave_rate", RATE),
    ),
)
PUBLISH = Record(
    Publish,
    (
        Key("url", one_or_more(TEXT), "urls"),
        Key("api_key", TEXT),
        Key("rate", number(above=True)),
        Key("burst", whole(1, 10_000)),
        Key("size", SIZE),
        Key("text", FLAG),
    ),
)
POLL = Record(
    Poll,
    (
        Key("url", TEXT),
        Key("api_key", TEXT),
        Key("event", TEXT),
        Key("choices", whole(1, CHOICES_MAX)),
        Key("opens", SECONDS),
        Key("closes", SECONDS),
        Key("number", whole(1, (1 << 32) - 1)),
        Key("tally", TEXT),
    ),
)
SERVER = Record(
    Server,
    (
        Key("name", NAME),
        Key("command", listing(TEXT)),
        Key("config", LONG_TEXT),
        Key("environment", Kind(_read_environment, _write_environment)),
    ),
)
PROXY = Record(Proxy, (Key("name", NAME), Key("server", TEXT)))
STIMULUS = Record(Stimulus, (Key("at", SECONDS), Key("event", TEXT)))
REACT = Record(
    Stimulus,
    (
        Key("persona", TEXT, required=False),
        Key("p", number(0.0, 1.0)),
        Key("delay", DELAY),
        Key("do", TEXT),
    ),
)
FOR = Key("for", POSITIVE_SECONDS, "duration", required=True)
SERVER_FAULTS: dict[str, tuple[Key, ...]] = {
    "kill": (Key("restart_after", SECONDS),),
    "stop": (FOR,),
    "restart": (),
    "upgrade": (),
}
PROXY_FAULTS: dict[str, tuple[Key, ...]] = {
    "delay": (FOR, Key("delay", MILLISECONDS, "amount", required=True)),
    "throttle": (FOR, Key("bytes_per_s", number(above=True), "amount", required=True)),
    "stall": (FOR,),
    "blackhole": (FOR,),
    "reset": (),
}
FAULTS = {
    do: Record(Fault, (Key("at", SECONDS), Key("do", TEXT), Key("what", TEXT), *keys))
    for do, keys in {**SERVER_FAULTS, **PROXY_FAULTS}.items()
}
THRESHOLD = Record(Threshold, (Key("expr", TEXT), Key("abort_on_fail", FLAG)))
TABLES = [
    "phases",
    "personas",
    "stimuli",
    "faults",
    "servers",
    "proxies",
    "publish",
    "poll",
    "thresholds",
]


def load(path: Path) -> Scenario:
    """Raises ScenarioError for what cannot be read or is no scenario."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    return loads(text, path.name, path.parent)


def loads(text: str, name: str, directory: Path) -> Scenario:
    """name: of the file, for messages. directory: for the paths in it."""
    root = nodes.parse(text, name, directory)
    root.table(["mob", *TABLES])
    mob = root.child("mob")
    if mob.value is None:
        raise mob.error("missing: a scenario begins with the table [mob]")
    servers = tuple(_read_server(node) for node in root.child("servers").children())
    proxies = tuple(PROXY.read(node) for node in root.child("proxies").children())
    people = read_people(root.child("personas"))
    publish, poll = root.child("publish"), root.child("poll")
    scenario = MOB.read(
        mob,
        phases=tuple(PHASE.read(node) for node in root.child("phases").children()),
        personas=people.personas,
        step_names=people.step_names,
        samples=people.samples,
        publish=None if publish.value is None else PUBLISH.read(publish),
        poll=None if poll.value is None else POLL.read(poll),
        servers=servers,
        proxies=proxies,
        stimuli=tuple(_read_stimulus(node, people) for node in root.child("stimuli").children()),
        faults=tuple(_read_fault(node) for node in root.child("faults").children()),
        thresholds=_read_thresholds(root.child("thresholds")),
        directory=str(directory),
    )
    check_names(root, scenario, PROXY_FAULTS)
    check_urls(root, scenario)
    check_times(root, scenario)
    return scenario


def dump(scenario: Scenario) -> str:
    """TOML that loads as an equal scenario, if thresholds of a metric stand together."""
    people = People(scenario.personas, scenario.step_names, scenario.samples)
    lines = ["[mob]", *MOB.write(scenario), ""]
    lines += _tables("phases", PHASE, scenario.phases)
    lines += write_people(people)
    for stimulus in scenario.stimuli:
        react = inline_table(REACT.write(stimulus))
        lines += ["[[stimuli]]", *STIMULUS.write(stimulus), f"react = {react}", ""]
    for fault in scenario.faults:
        lines += _tables("faults", FAULTS[fault.do], [fault])
    lines += _tables("servers", SERVER, scenario.servers)
    lines += _tables("proxies", PROXY, scenario.proxies)
    if scenario.publish:
        lines += ["[publish]", *PUBLISH.write(scenario.publish), ""]
    if scenario.poll:
        lines += ["[poll]", *POLL.write(scenario.poll), ""]
    if scenario.thresholds:
        lines += ["[thresholds]", *_write_thresholds(scenario.thresholds)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _tables(name: str, record: Record[Any], values: Iterable[Any]) -> list[str]:
    return [line for value in values for line in (f"[[{name}]]", *record.write(value), "")]


def _read_server(node: Node) -> Server:
    server = SERVER.read(node)
    if server.config and not any("{config}" in word for word in server.command):
        raise node.child("command").error("it has a config, so {config} must stand for its file")
    return server


def _read_stimulus(node: Node, people: People) -> Stimulus:
    react = node.child("react")
    values = STIMULUS.fields(node, ["react"])
    if react.value is None:
        raise react.error("missing")
    stimulus = Stimulus(**values, **{"persona": "", **REACT.fields(react)})
    names = [persona.name for persona in people.personas]
    if stimulus.persona and stimulus.persona not in names:
        reason = f"unknown persona{did_you_mean(stimulus.persona, names)}"
        raise react.child("persona").error(reason)
    for name, states in zip(names, people.step_names, strict=True):
        if stimulus.persona in ("", name) and stimulus.do not in (*states, LEAVE):
            reason = f"{name} has no state {stimulus.do!r}{did_you_mean(stimulus.do, states)}"
            raise react.child("do").error(reason)
    return stimulus


def _read_fault(node: Node) -> Fault:
    do = node.child("do")
    if do.value is None and isinstance(node.value, dict):
        raise do.error("missing")
    return FAULTS[choice(list(FAULTS)).read(do)].read(node)


def _read_thresholds(node: Node) -> tuple[Threshold, ...]:
    found = []
    for metric in node.table() if node.value is not None else ():
        for child in node.child(metric).children():
            table = child if isinstance(child.value, dict) else _shorthand(child)
            threshold = THRESHOLD.read(table, metric=metric)
            try:
                thresholds.parse(metric, threshold.expr)
            except ValueError as error:
                raise child.error(str(error)) from None
            found.append(threshold)
    return tuple(found)


def _shorthand(node: Node) -> Node:
    """An expression alone, as the table that it stands for."""
    return Node(node.source, node.path, {"expr": node.read(read_text)})


def _write_thresholds(found: Sequence[Threshold]) -> list[str]:
    by_metric: dict[str, list[str]] = {}
    for threshold in found:
        short = string(threshold.expr)
        item = inline_table(THRESHOLD.write(threshold)) if threshold.abort_on_fail else short
        by_metric.setdefault(threshold.metric, []).append(item)
    return [f"{metric} = {inline_array(items)}" for metric, items in by_metric.items()]
