from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngage.errors import ScenarioError
from ngage.mob.measure.metrics import METRICS
from ngage.mob.model import (
    Fault,
    Phase,
    Poll,
    Publish,
    Sample,
    Scenario,
    Server,
    Stimulus,
    Threshold,
)
from ngage.mob.scenario.arrivals import NEVER, arrivals
from ngage.mob.scenario.file import dump, load, loads
from ngage.mob.scenario.personas import ready
from ngage.mob.scenario.ready import ready_names, ready_scenario, scaled
from ngage_core.behaviour import ANY_KIND, Action, Delay, Distribution, Persona, Step, Way

# Line 1 is [mob]; what a test adds begins at line 9
BASE = """[mob]
name = "cup"
fans = 10
target = "ws://127.0.0.1:8080/ws/stage"
[[phases]]
name = "doors"
duration = "10s"
arrival_rate = 5
"""
SERVER = '[[servers]]\nname = "edge"\ncommand = ["ngage-edge"]\n'
PROXY = '[[proxies]]\nname = "net"\nserver = "edge"\n'
POLL = '[poll]\nurl = "http://127.0.0.1:1"\nevent = "x"\napi_key = "k"\n'
STIMULUS = '[[stimuli]]\nat = "1s"\nevent = "goal"\nreact = { p = 1, do = "leave", delay = %s }\n'
AT_ONCE = '{ dist = "constant", value = 0 }'


def read(text: str) -> Scenario:
    return loads(text, "cup.toml", Path())


def test_defaults_are_those_of_the_model() -> None:
    scenario = read(BASE)
    lurker = scenario.personas[0]
    assert scenario == Scenario(
        name="cup",
        targets=("ws://127.0.0.1:8080/ws/stage",),
        fans=10,
        phases=(Phase(name="doors", duration=10.0, arrival_rate=5.0),),
        personas=(lurker,),
        step_names=(("watch", "away", "back"),),
    )
    assert (lurker.name, lurker.lost) == ("lurker", 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x = ", ":1: "),
        ("", ":1: mob: missing"),
        (BASE.replace("fans = 10", "fan = 10"), ":3: mob.fan: unknown key; did you mean fans?"),
        (BASE.replace("fans = 10", ""), ":1: mob.fans: missing"),
        (BASE.replace("fans = 10", "fans = true"), ":3: mob.fans: it must be a whole number"),
        (BASE.replace("arrival_rate", "arrival_rat"), ":8: phases[0].arrival_rat: unknown key"),
        (BASE.replace('"10s"', '"-10s"'), ":7: phases[0].duration: it must be a time"),
        (BASE.replace('"10s"', '"0s"'), ":7: phases[0].duration: it must be longer"),
        (BASE.replace("rate = 5", "rate = 0"), ":5: phases: missing: at least one phase"),
        (BASE.replace("rate = 5", "rate = -1"), ":8: phases[0].arrival_rate: it must be a number"),
        (BASE.replace('"10s"', '"2h"'), ":7: phases[0].duration: arrivals must end within 4294 s"),
        (BASE.replace("ws://", "http://"), ":4: mob.target: "),
        (BASE.replace("127.0.0.1:8080", "{edge}"), ":4: mob.target: {edge} is no server or proxy"),
        (BASE + "[[phase]]", ":9: phase: unknown key; did you mean phases?"),
        (BASE + "[personas.voters]", ":9: personas.voters: it needs states, or like; did"),
        (BASE + '[personas.x]\nlike = "luker"', ":10: personas.x.like: 'luker' is not known; did"),
        (BASE + "[personas.lurker]\nweight = 0", ":9: personas: at least one persona"),
        (BASE + '[personas.x]\nstates.a.do = "sit"', ":10: personas.x.states.a.do: 'sit' is not"),
        (BASE + '[personas.x]\nstates.a.do = "sip"', ":10: personas.x.states.a.bytes: bytes"),
        (BASE + '[personas.x]\nstates.a = { do = "cheat" }', ":10: personas.x.states.a.way: way"),
        (BASE + "[personas.x]\nstates.a.votes = 2", ":10: personas.x.states.a.votes: votes goes"),
        (BASE + "[poll]\nopens = 1", ":9: poll: it needs the url of an edge's admin, or"),
        (BASE + '[poll]\nurl = "http://{x}"', ":10: poll.url: {x} is no server"),
        (BASE + POLL + "opens = 10", ":13: poll.opens: it closes at 10 s"),
        (BASE + POLL + "closes = 11", ":13: poll.closes: the last phase ends at 10 s"),
        (BASE + POLL + "choices = 33", ":13: poll.choices: it must be a whole number"),
        (BASE.replace("fans", 'secret = "x"\nfans'), ":3: mob.secret: it must be 64 hex"),
        (BASE + '[personas.x]\nstates.a.next = "b"', ":10: personas.x.states.a.next: 'b' is not"),
        (BASE + '[personas.x]\nstates.a.next = "a"', ":10: personas.x.states.a: think and next"),
        (BASE + "[personas.x]\nstates.a.next = {a=0.9}", ":10: personas.x.states.a.next: the prob"),
        (BASE + '[personas.x]\nlost = "b"\nstates.a = {}', ":10: personas.x.lost: 'b' is not"),
        (BASE + '[personas.x]\npython = "x"\nfans = 1', ":10: personas.x.python: it must be FILE"),
        (BASE + "[personas.lurker]\nread = { bytes_per_s = 1 }", ":10: personas.lurker.read: it"),
        (BASE + STIMULUS % AT_ONCE.replace("0", '"-1s"'), ":12: stimuli[0].react.delay.value: it"),
        (
            BASE + (STIMULUS % AT_ONCE).replace('"1s"', '"11s"'),
            ":10: stimuli[0].at: the last phase ends at 10 s",
        ),
        (
            BASE + (STIMULUS % AT_ONCE).replace('"leave"', '"backk"'),
            ":12: stimuli[0].react.do: lurker has no state 'backk'; did you mean back?",
        ),
        (
            BASE + (STIMULUS % AT_ONCE).replace("p = 1", 'p = 1, persona = "lurkr"'),
            ":12: stimuli[0].react.persona: unknown persona; did you mean lurker?",
        ),
        (BASE + (STIMULUS % AT_ONCE).replace("p = 1", "p = 2"), ":12: stimuli[0].react.p: it must"),
        (BASE + '[[stimuli]]\nat = 1\nevent = "x"', ":9: stimuli[0].react: missing"),
        (BASE + "[[faults]]\nat = 1", ":9: faults[0].do: missing"),
        (
            BASE + SERVER + '[[faults]]\nat = 1\ndo = "kill"\nwhat = "edg"',
            ":15: faults[0].what: kill is for a server, and it is none; did you mean edge?",
        ),
        (
            BASE + SERVER + '[[faults]]\nat = 1\ndo = "kill"\nwhat = "edge"\nfor = "1s"',
            ":16: faults[0].for: unknown key",
        ),
        (
            BASE + SERVER + PROXY + '[[faults]]\nat = 1\ndo = "stall"\nwhat = "edge"\nfor = 1',
            ":18: faults[0].what: stall is for a proxy",
        ),
        (
            BASE + SERVER + PROXY + '[[faults]]\nat = 1\ndo = "throttle"\nwhat = "net"\nfor = 1',
            ":15: faults[0].bytes_per_s: missing",
        ),
        (BASE + SERVER + SERVER, ":13: servers[1].name: edge is taken"),
        (BASE + SERVER + 'config = "x = 1"', ":11: servers[0].command: it has a config"),
        (BASE + PROXY, ":11: proxies[0].server: unknown server; there are none"),
        (BASE + '[publish]\nurl = "ftp://h:1"', ":10: publish.url: "),
        (BASE + '[thresholds]\ngap = ["count==0"]', ":10: thresholds.gap[0]: unknown metric; did"),
        (BASE + '[thresholds]\ngaps = [\n"x",\n]', ":11: thresholds.gaps[0]: 'x' is no threshold"),
        (BASE + '[thresholds]\ngaps = [{ exp = "x" }]', ":10: thresholds.gaps[0].exp: unknown"),
    ],
)
def test_errors_name_line_and_key(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        read(text)
    assert str(raised.value).startswith(f"cup.toml{complaint}")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_a_ready_persona_with_changes() -> None:
    scenario = read(
        BASE
        + '[personas.train]\nlike = "flapper"\nweight = 3\nreceive_buffer = "64KiB"\n'
        + 'states.watch.think = { dist = "constant", value = "3s" }\n'
        + 'states.tunnel = { do = "drop" }\n'
    )
    (flapper,) = read(BASE + "[personas.flapper]").personas
    (train,) = scenario.personas
    assert (train.name, train.weight, train.receive_buffer) == ("train", 3.0, 65536)
    assert scenario.step_names == (("watch", "drop", "away", "back", "tunnel"),)
    assert train.steps == (
        flapper.steps[0]._replace(think=Delay(Distribution.CONSTANT, 3.0)),
        *flapper.steps[1:],
        Step(Action.DROP),
    )
    assert train.lost == flapper.lost == 2


def test_read_sets_the_bytes_of_a_sip() -> None:
    (slow,) = read(BASE + "[personas.slow_reader]\nread = { bytes_per_s = 4000 }").personas
    assert [step.amount for step in slow.steps if step.action == Action.SIP] == [400]


def test_every_ready_persona_loads() -> None:
    tables = "".join(f"[personas.{name}]\n" for name in ready())
    personas = read(BASE + tables).personas
    stays_away = {persona.name for persona in personas if persona.lost == -1}
    assert stays_away == {"idle_zombie"}


@pytest.mark.parametrize("name", ready_names())
def test_ready_scenarios_load_round_trip_and_scale(name: str) -> None:
    scenario = ready_scenario(name)
    assert scenario.name == name
    assert 10 <= scenario.duration <= 20
    assert read(dump(scenario)) == scenario
    assert NEVER not in arrivals(scenario.phases, scenario.fans, scenario.seed)
    small = scaled(scenario, scenario.fans // 5)
    assert small.duration == scenario.duration
    for phase, whole in zip(small.phases, scenario.phases, strict=True):
        assert phase.arrival_rate == pytest.approx(whole.arrival_rate / 5)
    assert replace(small, fans=scenario.fans, phases=scenario.phases) == scenario


def test_there_are_eight_ready_scenarios_and_no_ninth() -> None:
    polls = ["poll-killed", "poll-stampede"]
    rolling = ["rolling-restart", "rolling-upgrade"]
    first = ["doors-open", "kick-off-herd"]
    assert ready_names() == [*first, *polls, *rolling, "slow-phones", "tunnel"]
    with pytest.raises(ScenarioError, match="did you mean tunnel"):
        ready_scenario("tunel")


seconds = st.floats(0, 1e6)
lasting = st.floats(1e-6, 100)
words = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
delays = st.one_of(
    seconds.map(lambda a: Delay(Distribution.CONSTANT, a)),
    st.tuples(lasting, lasting).map(lambda ab: Delay(Distribution.LOGNORMAL, *ab)),
    st.lists(seconds, min_size=1, max_size=5).map(
        lambda times: Delay(Distribution.EMPIRICAL, values=tuple(times))
    ),
)


@st.composite
def steps(draw: st.DrawFn, count: int) -> Step:
    action = draw(st.sampled_from(Action))
    most = {Action.SIP: 1 << 20, Action.VOTE: 16, Action.REACT: 100, Action.CHEAT: max(Way)}
    amount = draw(st.integers(1, most[action])) if action in most else 0
    kind = draw(st.integers(0, 15)) if action == Action.REACT else ANY_KIND
    to = draw(st.lists(st.integers(0, count - 1), unique=True, max_size=8))
    if not to:
        return Step(action, amount, kind=kind)
    exits = tuple((1 / len(to), step) for step in to)
    return Step(action, amount, draw(delays), exits, kind)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    step_names, personas = [], []
    for name in draw(st.lists(words.filter(bool), min_size=1, max_size=3, unique=True)):
        states = tuple(draw(st.lists(words, min_size=1, max_size=4, unique=True)))
        step_names.append(states)
        personas.append(
            Persona(
                name,
                draw(lasting),
                tuple(draw(steps(len(states))) for _ in states),
                draw(st.integers(-1, len(states) - 1)),
                draw(st.integers(0, 1 << 20)),
                draw(words),
            )
        )
    server = Server(
        name=draw(names),
        command=("edge", "{config}", draw(words)),
        config=draw(words) + draw(st.sampled_from(["", "\n[a]\nb = 1\n", "'''\n", "\nx = '"])),
        environment=tuple(draw(st.dictionaries(words, words, max_size=2)).items()),
    )
    end = draw(lasting)
    at = st.floats(0, end)
    stop = Fault(at=draw(at), do="stop", what=server.name, duration=draw(lasting))
    kill = Fault(at=draw(at), do="kill", what=server.name, restart_after=draw(seconds))
    named = draw(st.sampled_from(personas))
    return Scenario(
        name=draw(words),
        targets=(f"ws://{{{server.name}}}/ws/a",),
        fans=draw(st.integers(1, 10**6)),
        seed=draw(st.integers(0, 2**63 - 1)),
        skips=draw(st.booleans()),
        secret=draw(st.sampled_from(["", "0a" * 32])),
        settle=draw(seconds),
        phases=(
            Phase(
                name=draw(words),
                duration=end,
                arrival_rate=draw(lasting),
                ramp_to=draw(st.none() | seconds),
                leave_rate=draw(seconds),
            ),
        ),
        personas=tuple(personas),
        step_names=tuple(step_names),
        publish=draw(
            st.none()
            | st.builds(
                Publish,
                urls=st.just((f"http://{{{server.name}.admin}}", "http://127.0.0.1:1")),
                api_key=words,
                rate=lasting,
            )
        ),
        poll=draw(
            st.none()
            | st.builds(
                Poll,
                url=st.just(f"http://{{{server.name}.admin}}"),
                event=words,
                choices=st.integers(1, 32),
                closes=st.just(end),
                tally=st.sampled_from(["", "http://127.0.0.1:1/tally"]),
            )
        ),
        servers=(server,),
        stimuli=(
            Stimulus(
                at=draw(at),
                event=draw(words),
                persona=named.name,
                p=draw(st.floats(0, 1)),
                delay=draw(delays),
                do=draw(st.sampled_from(step_names[personas.index(named)])),
            ),
        ),
        faults=tuple(draw(st.permutations([stop, kill]))),
        thresholds=(
            Threshold(metric="gaps", expr="count==0", abort_on_fail=draw(st.booleans())),
            Threshold(metric="gaps", expr="rate<1"),
            Threshold(metric="deliver_ms", expr="p(99)<250"),
        ),
        samples=(Sample(persona="a sample of its own", python="x.py:Fan", fans=2),),
    )


@given(scenarios())
def test_what_is_written_reads_back(scenario: Scenario) -> None:
    assert read(dump(scenario)) == scenario


def test_the_reference_says_what_is() -> None:
    """Its example loads, and it has each metric, ready persona and ready scenario."""
    page = (Path(__file__).parents[5] / "docs/reference/mobsim-scenarios.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    assert read(example).fans == 2000
    rows = set(page.splitlines())
    for name, (kind, unit, meaning) in METRICS.items():
        assert f"| `{name}` | {kind} | {unit} | {meaning} |" in rows
    assert [name for name in [*ready(), *ready_names()] if f"`{name}`" not in page] == []
