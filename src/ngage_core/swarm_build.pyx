"""Plain values (behaviour.py), checked and put into the Plan that all threads of a swarm read."""

import ipaddress
import itertools
import json
import resource
from urllib.parse import unquote

from cpython.array cimport array
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy

from ngage_core.behaviour import Action, Distribution, Way

from ngage_core.atomic cimport ng_store
from ngage_core.sha256 cimport SHA256_BLOCK_BYTES, mac_key_of
from ngage_core.swarm_centrifugo cimport centrifugo_codec
from ngage_core.swarm_payload cimport mix
from ngage_core.swarm_plan cimport (
    BURST_MAX, CHOICES_MAX, CONGESTION_BYTES_MAX, EVENT_BYTES_MAX, EXITS_MAX, HEAD_BYTES_MAX,
    NAME_BYTES_MAX, PATH_BYTES_MAX, PERSONAS_MAX, REACTION_KINDS, STEPS_MAX, TARGETS_MAX,
    DelayPlan, PersonaPlan, Plan, StepPlan, TargetPlan,
)
from ngage_core.swarm_raw cimport raw_codec
from ngage_core.swarm_v1 cimport v1_codec
from ngage_core.sysio cimport AF_INET, htonl, htons

cdef enum:
    DESCRIPTORS_OF_A_SQUAD = 16  # what its table holds beside the fans, and room
    FANS_MAX = 4194304
    FANS_OF_AN_ADDRESS = 8192  # the default range has 28,232 ports, and the search slows when full
    REACTIONS_MAX = 100  # of one message
    WINDOW_MAX = 65536

cdef str RAW_PREFIX = "/ws/"

cdef int fans_of_a_squad() except -1:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return FANS_MAX
    return max(1, min(soft - DESCRIPTORS_OF_A_SQUAD, FANS_MAX))


cdef int parts(int whole, int part) noexcept:
    return (whole + part - 1) // part


cdef int plan_crowd(Plan *plan, int fans, int threads, int window, str congestion) except -1:
    """How many, on how many threads; 0: as few as there may be."""
    cdef bytes algorithm = congestion.encode()
    cdef int of_a_squad = fans_of_a_squad()
    if not 1 <= fans <= FANS_MAX:
        raise ValueError(f"fans: 1 to {FANS_MAX}, not {fans}")
    if not 1 <= window <= WINDOW_MAX:
        raise ValueError(f"window: 1 to {WINDOW_MAX} connects for each thread, not {window}")
    threads = threads or parts(fans, of_a_squad)
    if not 1 <= threads <= fans or parts(fans, threads) > of_a_squad:
        raise ValueError(f"threads: each holds at most {of_a_squad} fans (RLIMIT_NOFILE)")
    if len(algorithm) >= CONGESTION_BYTES_MAX:
        raise ValueError(f"congestion: no such algorithm: {congestion}")
    plan.threads = threads
    plan.window = window
    memcpy(plan.congestion, <const char *> algorithm, len(algorithm))
    raw_codec(&plan.codecs[0])
    v1_codec(&plan.codecs[1])
    centrifugo_codec(&plan.codecs[2])
    return 0


cdef tuple plan_targets(Plan *plan, targets):
    """The channels: distinct paths in order of appearance."""
    cdef TargetPlan *target
    cdef list channels = []
    if not 1 <= len(targets) <= TARGETS_MAX:
        raise ValueError(f"targets: 1 to {TARGETS_MAX}, not {len(targets)}")
    plan.target_count = len(targets)
    for i, (host, port, path, skips) in enumerate(targets):
        target = &plan.targets[i]
        start = f"GET {path}".encode()
        head = (
            f" HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        ).encode()
        if len(start) > PATH_BYTES_MAX or len(head) > HEAD_BYTES_MAX:
            raise ValueError(f"path: at most {PATH_BYTES_MAX - 4} bytes")
        if path not in channels:
            channels.append(path)
        name = json.dumps(unquote(path.partition("?")[0].removeprefix(RAW_PREFIX))).encode()
        if len(name) >= NAME_BYTES_MAX:
            raise ValueError(f"path: a channel's name has less than {NAME_BYTES_MAX} bytes")
        memcpy(target.name, <const uint8_t *> name, len(name))
        target.channel = channels.index(path)
        target.skips = skips
        target.has_query = "?" in path
        target.path_bytes = len(start)
        memcpy(target.path, <const uint8_t *> start, target.path_bytes)
        target.head_bytes = len(head)
        memcpy(target.head, <const uint8_t *> head, target.head_bytes)
        target.address.sin_family = AF_INET
        target.address.sin_port = htons(port)
        target.address.sin_addr.s_addr = htonl(int(ipaddress.IPv4Address(host)))
    plan.channel_count = len(channels)
    return tuple(channels)


cdef int plan_source(Plan *plan, str source, int fans) except -1:
    if source:
        network = ipaddress.IPv4Network(source)
        addresses = max(1, network.num_addresses - 2)  # without those of the network and broadcast
        plan.source = int(network.network_address) + (network.num_addresses > 2)
        plan.sources = min(addresses, parts(fans, FANS_OF_AN_ADDRESS))
    return 0


cdef int plan_personas(Plan *plan, personas, list kept) except -1:
    cdef double total = 0
    cdef int i
    if not 1 <= len(personas) <= PERSONAS_MAX:
        raise ValueError(f"personas: 1 to {PERSONAS_MAX}, not {len(personas)}")
    plan.personas = <PersonaPlan *> calloc(len(personas), sizeof(PersonaPlan))
    if plan.personas == NULL:
        raise MemoryError
    plan.persona_count = len(personas)
    for i, persona in enumerate(personas):
        plan_persona(plan, &plan.personas[i], persona, kept)
        if persona.weight < 0:
            raise ValueError(f"persona {persona.name}: weight is negative")
        total += persona.weight
        plan.until[i] = total
    if total <= 0:
        raise ValueError("personas: no weight is above 0")
    for i in range(plan.persona_count):
        plan.until[i] /= total
    return 0


cdef int plan_persona(Plan *plan, PersonaPlan *out, persona, list kept) except -1:
    cdef StepPlan *step_out
    cdef dict codecs = {"raw": 0, "v1": 1, "centrifugo": 2}
    if persona.protocol not in codecs:
        raise ValueError(f"persona {persona.name}: no protocol {persona.protocol}; "
                         f"there are: {', '.join(codecs)}")
    if not 1 <= len(persona.steps) <= STEPS_MAX:
        raise ValueError(f"persona {persona.name}: 1 to {STEPS_MAX} steps")
    if not -1 <= persona.lost < len(persona.steps):
        raise ValueError(f"persona {persona.name}: lost: no step {persona.lost}")
    out.codec = &plan.codecs[<int> codecs[persona.protocol]]
    out.receive_buffer_bytes = persona.receive_buffer
    out.lost = persona.lost
    out.step_count = len(persona.steps)
    for i, step in enumerate(persona.steps):
        step_out = &out.steps[i]
        if len(step.next) > EXITS_MAX:
            raise ValueError(f"persona {persona.name}: step {i}: at most {EXITS_MAX} exits")
        if any(not 0 <= to < len(persona.steps) for _, to in step.next):
            raise ValueError(f"persona {persona.name}: step {i}: leads to a step that is not there")
        step_out.action = step.action
        step_out.amount = step.amount
        step_out.kind = step.kind
        check_speech(persona.name, step)
        step_out.exits = len(step.next)
        shares = itertools.accumulate(probability for probability, _ in step.next)
        for j, (until, (_, to)) in enumerate(zip(shares, step.next, strict=True)):
            step_out.until[j] = until
            step_out.to[j] = to
        plan_delay(&step_out.think, step.think, kept)
    return 0


cdef int plan_delay(DelayPlan *out, delay, list kept) except -1:
    cdef array values
    distribution, a, b, given = delay
    if a < 0 or (distribution == Distribution.PARETO and b <= 0) or b < 0:
        raise ValueError(f"delay: negative or without shape: {delay}")
    if distribution == Distribution.EMPIRICAL:
        if not given or min(given) < 0:
            raise ValueError("delay: empirical needs values, none negative")
        values = array("d", given)
        kept.append(values)
        out.values = values.data.as_doubles
        out.value_count = len(values)
    out.distribution = distribution
    out.a = a
    out.b = b
    return 0


cdef int check_speech(str name, step) except -1:
    """What a step says must fit into what it says it with."""
    cdef dict bounds = {Action.VOTE: (1, BURST_MAX), Action.REACT: (1, REACTIONS_MAX),
                        Action.CHEAT: (1, max(Way))}
    least, most = bounds.get(step.action, (0, 0xFFFFFFFF))
    if not least <= step.amount <= most:
        raise ValueError(
            f"persona {name}: {step.action.name}: {least} to {most}, not {step.amount}")
    if not 0 <= step.kind <= REACTION_KINDS:
        raise ValueError(f"persona {name}: kind: 0 to {REACTION_KINDS}, not {step.kind}")
    return 0


# What is known only when servers run

cdef uint64_t plan_tickets(Plan *plan, bytes secret, uint32_t expires) except 0:
    """The voter of fan 0: a function of the seed, and in the lower half, so that none wraps."""
    if not 1 <= len(secret) <= SHA256_BLOCK_BYTES:
        raise ValueError(f"secret: 1 to {SHA256_BLOCK_BYTES} bytes")
    mac_key_of(&plan.tickets.key, <const uint8_t *> secret, len(secret))
    plan.tickets.expires = expires
    plan.tickets.first_voter = mix(plan.seed + 1) >> 1 | 1
    plan.tickets.signed_here = True
    return plan.tickets.first_voter


cdef int plan_poll(
    Plan *plan, uint32_t number, int choices, uint32_t event, str name, int reactions
) except -1:
    cdef bytes event_name = name.encode()
    if number == 0 or plan.poll.number:
        raise ValueError("poll: there is one, and its number is not 0")
    if not 1 <= choices <= CHOICES_MAX or not 0 <= reactions <= REACTION_KINDS:
        raise ValueError(f"poll: 1 to {CHOICES_MAX} choices, 0 to {REACTION_KINDS} reactions")
    if len(event_name) >= EVENT_BYTES_MAX or set(name) & set('"\\'):
        raise ValueError(f"poll: no event has the name {name!r}")
    memcpy(plan.poll.name, <const char *> event_name, len(event_name))
    plan.poll.choices = choices
    plan.poll.event = event
    ng_store(&plan.poll.reactions, reactions)
    ng_store(&plan.poll.number, number)
    return 0
