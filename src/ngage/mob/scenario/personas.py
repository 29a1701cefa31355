"""Personas, as tables of states. The ready ones are tables of the same kind, in personas.toml.

A persona without states takes those of a ready one, `like` or by its own name: its fields and the
fields of its states go over those of the ready one.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple, cast

from ngage.mob.hints import did_you_mean
from ngage.mob.model import Sample
from ngage.mob.scenario.delays import DELAY
from ngage.mob.scenario.kinds import (
    SIZE,
    TEXT,
    Key,
    Kind,
    Record,
    bare_or_quoted,
    choice,
    inline_table,
    number,
    string,
    whole,
)
from ngage.mob.scenario.nodes import Node
from ngage_core.behaviour import Action, Distribution, Persona, Step, Way

Table = dict[str, object]

# What a Swarm takes
PERSONAS_MAX = 64
STATES_MAX = 64
NEXT_MAX = 8
TOLERANCE = 1e-6  # of probabilities that should sum to 1

ACTIONS = [action.name.lower() for action in Action]
ACTION = Kind(
    lambda node: Action[choice(ACTIONS).read(node).upper()],
    lambda action: string(action.name.lower()),
)
WAYS = [way.name.lower() for way in Way]
WAY = Kind(
    lambda node: Way[choice(WAYS).read(node).upper()],
    lambda way: string(Way(way).name.lower()),
)
# How much of what it does, by action: the key, and what it is if it is not given (0: it must be)
AMOUNTS = {
    Action.SIP: (Key("bytes", SIZE, "amount"), 0),
    Action.VOTE: (Key("votes", whole(1, 16), "amount"), 1),
    Action.REACT: (Key("count", whole(1, 100), "amount"), 1),
    Action.CHEAT: (Key("way", WAY, "amount"), 0),
}
REACTION = Key("kind", whole(0, 15))
SAMPLE = Record(Sample, (Key("python", TEXT), Key("fans", whole(1, 10_000))))


class People(NamedTuple):
    """The personas of a scenario, and the names of their steps."""

    personas: tuple[Persona, ...]
    step_names: tuple[tuple[str, ...], ...]
    samples: tuple[Sample, ...]


@cache
def ready() -> dict[str, Table]:
    """The ready personas by name."""
    return tomllib.loads(files(__package__).joinpath("personas.toml").read_text())


def read_people(node: Node) -> People:
    """The table [personas]. Without one there are lurkers."""
    if node.value is None:
        node = Node(node.source, node.path, {"lurker": {}})
    personas, step_names, samples = [], [], []
    for name in node.table():
        child = node.child(name)
        if not name:
            raise child.error("a persona needs a name")
        if "python" in child.table():
            samples.append(_read_sample(child, name))
            continue
        persona, names = _read_persona(_complete(child, name), name)
        personas.append(persona)
        step_names.append(names)
    if len(personas) > PERSONAS_MAX:
        raise node.error(f"there are at most {PERSONAS_MAX} personas")
    if not any(persona.weight for persona in personas):
        raise node.error("at least one persona that is not python needs a weight above 0")
    return People(tuple(personas), tuple(step_names), tuple(samples))


def write_people(people: People) -> list[str]:
    """Lines of tables, every state written out."""
    lines: list[str] = []
    for persona, names in zip(people.personas, people.step_names, strict=True):
        table = f"personas.{bare_or_quoted(persona.name)}"
        lines += [f"[{table}]", *_persona_record(names).write(persona), f"[{table}.states]"]
        for name, value in zip(names, persona.steps, strict=True):
            step = _step_record(names, value.action)
            # `do` is written though it is the default: a state says what it does
            pairs = step.write(value) if value.action else ['do = "stay"', *step.write(value)]
            lines.append(f"{bare_or_quoted(name)} = {inline_table(pairs)}")
        lines.append("")
    for sample in people.samples:
        name = bare_or_quoted(sample.persona)
        lines += [f"[personas.{name}]", *SAMPLE.write(sample), ""]
    return lines


def _read_sample(node: Node, name: str) -> Sample:
    sample = SAMPLE.read(node, persona=name)
    file, _, class_name = sample.python.rpartition(":")
    if not (file.endswith(".py") and class_name.isidentifier()):
        raise node.child("python").error("it must be FILE.py:CLASS")
    return sample


def _complete(node: Node, name: str) -> Node:
    """The persona with what it takes over from a ready one."""
    table = node.table()
    if "like" not in table and ("states" in table or name not in ready()):
        if "states" not in table:
            raise node.error(f"it needs states, or like{did_you_mean(name, ready())}")
        return node
    model = choice(list(ready())).read(node.child("like")) if "like" in table else name
    base = ready()[model]
    states = dict(cast(dict[str, Table], base["states"]))
    changed = node.child("states")
    for state in changed.table() if "states" in table else ():
        states[state] = {**states.get(state, {}), **changed.child(state).table()}
    return Node(node.source, node.path, {**base, **table, "states": states})


def _read_persona(node: Node, name: str) -> tuple[Persona, tuple[str, ...]]:
    states = node.child("states")
    names = tuple(states.table())
    if not 1 <= len(names) <= STATES_MAX:
        raise states.error(f"a persona has from 1 to {STATES_MAX} states")
    steps = tuple(_read_step(states.child(state), names) for state in names)
    if node.child("read").value is not None:
        steps = _sipping(node.child("read"), steps)
    persona = _persona_record(names).read(node, ["like", "states", "read"], name=name, steps=steps)
    return persona, names


def _read_step(node: Node, names: Sequence[str]) -> Step:
    do = node.child("do")
    action = Action.STAY if do.value is None else ACTION.read(do)
    for other, (key, _) in AMOUNTS.items():
        if other != action and node.child(key.name).value is not None:
            raise node.child(key.name).error(f'{key.name} goes with do = "{other.name.lower()}"')
    step = _step_record(names, action).read(node)
    if action in AMOUNTS and not step.amount:
        key, usual = AMOUNTS[action]
        if not usual:
            raise node.child(key.name).error(
                f'{key.name} is needed with do = "{action.name.lower()}"'
            )
        step = step._replace(amount=usual)
    if bool(step.next) != (step.think.distribution != Distribution.NEVER):
        raise node.error("think and next belong together: after the one comes the other")
    return step


def _sipping(node: Node, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """read = { bytes_per_s = N } sets the bytes of each sip, from the time between two."""
    node.table(["bytes_per_s"])
    rate = number(above=True).read(node.child("bytes_per_s"))
    if not any(_is_regular_sip(step) for step in steps):
        raise node.error('it needs a state with do = "sip" and a constant think')
    return tuple(
        step._replace(amount=max(1, round(rate * step.think.a))) if _is_regular_sip(step) else step
        for step in steps
    )


def _is_regular_sip(step: Step) -> bool:
    return step.action == Action.SIP and step.think.distribution == Distribution.CONSTANT


def _persona_record(names: Sequence[str]) -> Record[Persona]:
    return Record(
        Persona,
        (
            Key("weight", number()),
            Key("lost", _state(names)),
            Key("receive_buffer", SIZE),
            Key("protocol", TEXT),
        ),
    )


def _step_record(names: Sequence[str], action: Action) -> Record[Step]:
    amount = (AMOUNTS[action][0],) if action in AMOUNTS else ()
    reaction = (REACTION,) if action == Action.REACT else ()
    return Record(
        Step,
        (
            Key("do", ACTION, "action"),
            *amount,
            *reaction,
            Key("think", DELAY),
            Key("next", _next(names)),
        ),
    )


def _state(names: Sequence[str]) -> Kind:
    """A state by name, as its number."""
    known = choice(names)
    return Kind(lambda node: names.index(known.read(node)), lambda step: string(names[step]))


def _next(names: Sequence[str]) -> Kind:
    """A state, or a table of states and their probabilities."""
    state = _state(names)
    share = number(0.0, 1.0)

    def read(node: Node) -> tuple[tuple[float, int], ...]:
        if isinstance(node.value, str):
            return ((1.0, state.read(node)),)
        shares = [(share.read(node.child(name)), name) for name in node.table(names)]
        if len(shares) > NEXT_MAX:
            raise node.error(f"a state has at most {NEXT_MAX} next ones")
        if abs(sum(probability for probability, _ in shares) - 1) > TOLERANCE:
            raise node.error("the probabilities must sum to 1")
        return tuple((probability, names.index(name)) for probability, name in shares)

    def write(nexts: tuple[tuple[float, int], ...]) -> str:
        if len(nexts) == 1:
            return state.write(nexts[0][1])
        return inline_table(f"{bare_or_quoted(names[step])} = {share!r}" for share, step in nexts)

    return Kind(read, write)
