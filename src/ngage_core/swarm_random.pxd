"""Random numbers as a function of (seed, fan, draw): no state but a counter, every run replayable.

Two rounds of splitmix64's finalizer over a Weyl sequence, as in Steele, Lea and Flood, "Fast
splittable pseudorandom number generators" (2014).
"""

from libc.math cimport M_PI, cos, exp, log, pow, sqrt
from libc.stdint cimport uint32_t, uint64_t

from ngage_core.swarm_fan cimport Fan
from ngage_core.swarm_payload cimport mix
from ngage_core.swarm_plan cimport (
    CONSTANT, EMPIRICAL, EXPONENTIAL, LOGNORMAL, PARETO, UNIFORM, DelayPlan,
)

cdef enum:
    DELAY_SECONDS_MAX = 2592000  # a month: longer than any event, shorter than the wheel wraps


cdef inline uint64_t draw(uint64_t seed, uint64_t fan, uint64_t number) noexcept nogil:
    return mix(mix(seed + fan * <uint64_t> 0x9E3779B97F4A7C15) + number *
               <uint64_t> 0xD1B54A32D192ED03 + 1)


cdef inline double unit(uint64_t word) noexcept nogil:
    """In (0, 1): its 52 highest bits and a half, so that a logarithm may be taken of both ends."""
    return (<double> (word >> 12) + 0.5) / <double> (<uint64_t> 1 << 52)


cdef inline double fan_unit(Fan *fan, uint64_t seed, uint64_t number) noexcept nogil:
    fan.draws += 1
    return unit(draw(seed, number, fan.draws))


cdef inline double normal(Fan *fan, uint64_t seed, uint64_t number) noexcept nogil:
    """Box and Muller's transform; its other half is not worth the memory."""
    cdef double radius = sqrt(-2 * log(fan_unit(fan, seed, number)))
    return radius * cos(2 * M_PI * fan_unit(fan, seed, number))


cdef inline double delay_seconds(
    const DelayPlan *delay, Fan *fan, uint64_t seed, uint64_t number
) noexcept nogil:
    """Negative: never."""
    cdef double seconds = -1
    if delay.distribution == CONSTANT:
        seconds = delay.a
    elif delay.distribution == UNIFORM:
        seconds = delay.a + (delay.b - delay.a) * fan_unit(fan, seed, number)
    elif delay.distribution == EXPONENTIAL:
        seconds = -delay.a * log(fan_unit(fan, seed, number))
    elif delay.distribution == LOGNORMAL:
        seconds = delay.a * exp(delay.b * normal(fan, seed, number))
    elif delay.distribution == PARETO:
        seconds = delay.a * pow(fan_unit(fan, seed, number), -1 / delay.b)
    elif delay.distribution == EMPIRICAL:
        seconds = delay.values[
            <uint64_t> (fan_unit(fan, seed, number) * <double> delay.value_count)]
    return min(seconds, <double> DELAY_SECONDS_MAX)
