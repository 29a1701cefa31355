"""What holds of every scenario of a hunt, whatever a mutation or a shrinking step has done to it.

Thresholds are dropped, for a hunt looks for violated invariants only. Nobody is kept who has no
part in it. A server suffers one fault after the other, each after it has recovered from the last:
who is killed cannot be upgraded, and who is stopped cannot hand over.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ngage.mob.hunt.edges import with_settings
from ngage.mob.model import Fault, Phase, Poll, Scenario, Stimulus
from ngage.mob.scenario.file import LEAVE, SERVER_FAULTS
from ngage.mob.scenario.fitting import REFERENCE
from ngage.mob.scenario.ready import scaled

SECONDS_MOST = 4.0
DRAIN_SECONDS = 1.0
RECOVERY_SECONDS = 0.5  # between the end of one fault of a server and its next one


def small(scenario: Scenario, fans: int) -> Scenario:
    """The scenario for a hunt: so many fans, over within seconds."""
    factor = min(1.0, SECONDS_MOST / scenario.duration)
    fewer = scaled(scenario, fans)
    faster = replace(
        fewer,
        samples=(),
        phases=tuple(_faster_phase(phase, factor) for phase in fewer.phases),
        stimuli=tuple(replace(one, at=short(one.at * factor)) for one in fewer.stimuli),
        faults=tuple(_faster_fault(fault, factor) for fault in fewer.faults),
        poll=fewer.poll and _faster_poll(fewer.poll, factor),
    )
    return with_settings(fitted(faster), drain_seconds=DRAIN_SECONDS)


def fitted(scenario: Scenario) -> Scenario:
    """A valid scenario that is this one but for what could not stand. Idempotent."""
    used = {name for url in scenario.targets for name in REFERENCE.findall(url)}
    proxies = tuple(proxy for proxy in scenario.proxies if proxy.name in used)
    used |= {proxy.server for proxy in proxies}
    servers = tuple(server for server in scenario.servers if server.name in used)
    publish = scenario.publish
    if publish:
        known = used | {f"{server.name}.admin" for server in servers}
        urls = tuple(url for url in publish.urls if known.issuperset(REFERENCE.findall(url)))
        publish = replace(publish, urls=urls) if urls else None
    there = {server.name for server in servers} | {proxy.name for proxy in proxies}
    end = scenario.duration
    faults = [fault for fault in scenario.faults if fault.what in there and fault.at <= end]
    stimuli = [one for one in scenario.stimuli if one.at <= end and _has_meaning(one, scenario)]
    return replace(
        scenario,
        thresholds=(),
        servers=servers,
        proxies=proxies,
        publish=publish,
        poll=scenario.poll and _fitted_poll(scenario.poll, used, end),
        faults=tuple(_one_after_the_other(faults)),
        stimuli=tuple(stimuli),
    )


def short(seconds: float) -> float:
    """A time that people can read."""
    return round(seconds, 3)


def _has_meaning(stimulus: Stimulus, scenario: Scenario) -> bool:
    """Whether all who should react can do what it says, and there are some."""
    reacting = [
        steps
        for persona, steps in zip(scenario.personas, scenario.step_names, strict=True)
        if stimulus.persona in ("", persona.name)
    ]
    return bool(reacting) and all(stimulus.do in (*steps, LEAVE) for steps in reacting)


def _fitted_poll(poll: Poll, used: set[str], end: float) -> Poll | None:
    """None if its edge is not there, or it would open too late."""
    known = used | {f"{name}.admin" for name in used}
    closes = None if poll.closes is None else min(poll.closes, end)
    late = poll.opens >= (end if closes is None else closes)
    there = known.issuperset(REFERENCE.findall(poll.url + poll.tally))
    return replace(poll, closes=closes) if there and not late else None


def _one_after_the_other(faults: Iterable[Fault]) -> Iterator[Fault]:
    free_at: dict[str, float] = {}
    for fault in sorted(faults, key=lambda fault: fault.at):
        if fault.do in SERVER_FAULTS:
            if fault.at < free_at.get(fault.what, 0.0):
                continue
            free_at[fault.what] = _recovered_at(fault)
        yield fault


def _recovered_at(fault: Fault) -> float:
    if fault.do == "kill" and fault.restart_after is None:
        return float("inf")
    return fault.at + fault.duration + (fault.restart_after or 0.0) + RECOVERY_SECONDS


def _faster_phase(phase: Phase, factor: float) -> Phase:
    """As many fans in less time."""
    return replace(
        phase,
        duration=max(0.001, short(phase.duration * factor)),
        arrival_rate=phase.arrival_rate / factor,
        ramp_to=None if phase.ramp_to is None else phase.ramp_to / factor,
        leave_rate=phase.leave_rate / factor,
    )


def _faster_poll(poll: Poll, factor: float) -> Poll:
    closes = None if poll.closes is None else short(poll.closes * factor)
    return replace(poll, opens=short(poll.opens * factor), closes=closes)


def _faster_fault(fault: Fault, factor: float) -> Fault:
    return replace(
        fault,
        at=short(fault.at * factor),
        duration=fault.duration and max(0.001, short(fault.duration * factor)),
        restart_after=None if fault.restart_after is None else short(fault.restart_after * factor),
    )
