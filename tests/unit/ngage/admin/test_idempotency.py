from ngage.admin import idempotency
from ngage.admin.idempotency import IdempotencyCache
from ngage.events import Position

FIRST = Position("epoch", 1)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_belongs_to_its_channel() -> None:
    cache = IdempotencyCache()
    cache.keep("stage", "key", FIRST)
    assert cache.find("stage", "key") == FIRST
    assert cache.find("other", "key") is None


def test_a_key_is_forgotten_after_five_minutes() -> None:
    clock = Clock()
    cache = IdempotencyCache(clock)
    cache.keep("stage", "key", FIRST)
    clock.now = 299.0
    assert cache.find("stage", "key") == FIRST
    clock.now = 300.0
    assert cache.find("stage", "key") is None


def test_of_too_many_keys_the_oldest_goes() -> None:
    cache = IdempotencyCache()
    for number in range(idempotency.KEPT_MAX + 1):
        cache.keep("stage", str(number), FIRST)
    assert cache.find("stage", "0") is None
    assert cache.find("stage", "1") == FIRST
