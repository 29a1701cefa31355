/* Bugs planted on purpose, which `mobsim hunt` must find (tests/integration/test_hunt.py).
 *
 * NGAGE_PLANT=drop|swap python setup.py build_ext defines one of the two macros, in a build of its
 * own. In every other build NG_PLANT is the constant 0, and nothing is left of the seam: with and
 * without it, gcc 12 -O2 makes the same instructions of every function of the engine (objdump -d).
 */
#ifndef NG_PLANT_H
#define NG_PLANT_H

#include <stdint.h>

#ifdef NGAGE_PLANT_SWAP
#define NG_PLANT_SWAP 1
#else
#define NG_PLANT_SWAP 0
#endif

#if defined(NGAGE_PLANT_DROP) || defined(NGAGE_PLANT_SWAP)
#define NG_PLANT 1
#define NG_PLANT_EVERY 1000000

/* Once in so many deliveries of the calling shard's thread. */
static inline int ng_plant_due(uint64_t deliveries)
{
    static _Thread_local uint64_t due = NG_PLANT_EVERY;
    if (deliveries < due)
        return 0;
    due += NG_PLANT_EVERY;
    return 1;
}

#else
#define NG_PLANT 0
#define ng_plant_due(deliveries) ((void)(deliveries), 0)
#endif

#endif
