"""A scenario: who comes, what they do, what happens to them, and what must hold.

Plain values, times in seconds. scenario.py reads them from TOML and writes them back; hunt mutates
them. URLs may hold {NAME}, a server or proxy of the scenario (its public address, host:port), and
{NAME.admin}.
"""

from dataclasses import dataclass, field

from ngage_core.behaviour import Delay, Persona

__all__ = [
    "Delay",
    "Fault",
    "Persona",
    "Phase",
    "Poll",
    "Proxy",
    "Publish",
    "Sample",
    "Scenario",
    "Server",
    "Stimulus",
    "Threshold",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Fans arrive at `rate` per second, changing linearly to `ramp_to`, until all are there."""

    name: str
    duration: float
    arrival_rate: float = 0.0
    ramp_to: float | None = None
    leave_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """mobsim publishes by itself: `burst` publications at once, `rate` bursts per second.

    urls: admin addresses of edges (http://HOST:PORT), each gets everything; or ws:// addresses
    that send on what they get (peers of the benches). channels: those of the targets. text: text
    messages, as fans in JSON need them.
    """

    urls: tuple[str, ...]
    api_key: str = ""
    rate: float = 1.0
    burst: int = 1
    size: int = 128
    text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """The one poll of a run, opened and closed by mobsim through an edge's server API at `url`.

    event: it is made if it is not there. closes: None: when the last phase ends. Where url is "",
    the poll `number` is open already, and its tally is at `tally`: a JSON object with `counts` and
    `voters`. tally with a url: asked in place of the server API.
    """

    url: str = ""
    api_key: str = ""
    event: str = "mobsim"
    choices: int = 4
    opens: float = 0.0
    closes: float | None = None
    number: int = 0
    tally: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process mobsim starts, and may hurt. It prints a line with `ready public=URL`.

    {data} in command and config is a directory of its own, empty at first.
    """

    name: str
    command: tuple[str, ...]
    config: str = ""  # TOML text, given as a file by {config} in the command
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A TCP proxy in front of a server, for faults of the network."""

    name: str
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """At `at`, each fan of `persona` ("": of all) with probability p enters step `do`, after its
    own delay. `do` is a step's name of that persona, or "leave"."""

    at: float
    event: str
    persona: str
    p: float
    delay: Delay
    do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """At `at` something happens to a server or a proxy.

    Servers: kill (SIGKILL), stop (SIGSTOP, for `duration`), restart (SIGTERM, awaited, started
    again), upgrade (SIGUSR2). kill starts again after `restart_after`, if given. Proxies, for
    `duration`: delay (`amount` ms), throttle (`amount` bytes/s for each connection), stall,
    blackhole (accepts, passes nothing, forgets), reset (all connections at once).
    """

    at: float
    do: str
    what: str
    duration: float = 0.0
    restart_after: float | None = None
    amount: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """`metric` `expr`, as in k6: p(99)<250, count==0, rate<0.001, avg, min, max, med, value."""

    metric: str
    expr: str
    abort_on_fail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`fans` fans that are objects of a Python class, FILE.py:CLASS; not for thousands."""

    persona: str
    python: str
    fans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    targets: tuple[str, ...]
    fans: int
    phases: tuple[Phase, ...]
    seed: int = 0
    sources: str = "127.0.0.0/8"
    secret: str = ""  # of the edge, in hexadecimal: what tickets are signed with
    skips: bool = False  # the channels' policy leaves out publications without a word
    max_lag: float = 0.25  # p99 of the generator's own lateness; more is an invalid run
    settle: float = 10.0  # how long the last publications may take
    personas: tuple[Persona, ...] = (Persona(),)
    step_names: tuple[tuple[str, ...], ...] = (("watch",),)  # by persona, in the order of steps
    publish: Publish | None = None
    poll: Poll | None = None
    servers: tuple[Server, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    faults: tuple[Fault, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    samples: tuple[Sample, ...] = ()
    directory: str = field(default="", compare=False)  # of the file, for relative paths

    @property
    def duration(self) -> float:
        return sum(phase.duration for phase in self.phases)
