"""connect and refresh: tokens, tickets, host keys, hooks."""

import time
from typing import Any

import pytest
from msgspec.structs import replace

from ngage import hostkeys, tickets
from ngage.centrifugo.recent import Recent
from ngage.errors import CloseCode
from ngage.identity import Identity, decode, voter_of
from ngage.limits import TTL_SECONDS_MAX, VIEWER_TICKET_SECONDS
from ngage.settings import Settings
from tests.helpers.jwks import SECRET as KEY
from tests.helpers.jwks import sign
from tests.helpers.protocol import NOW, SECRET, End, World

SETTINGS = Settings(token_hmac_secret=KEY)
INVALID = End(CloseCode.INVALID_TOKEN, "invalid token")
BAD_REQUEST = End(CloseCode.BAD_REQUEST, "bad request")
TOKEN_EXPIRED = {"code": 109, "message": "token expired"}
SOON = int(NOW) + 60


def known(here: World, client: int = 1) -> Identity:
    """Who the core was told a client is."""
    return decode(here.clients.under_way[client])


def test_anonymous_reply_to_the_letter() -> None:
    here = World(SETTINGS)
    (got,) = here.say(0xAB, {"id": 5, "connect": {"name": "js", "version": "1", "data": [1]}})
    somebody = known(here, 0xAB)
    ticket = tickets.mint(SECRET, somebody.voter, int(NOW) + VIEWER_TICKET_SECONDS)
    assert got == (
        b'{"id":5,"connect":{"client":"00000000000000ab","version":"ngage test",'
        b'"time":1800000000500,"data":{"ticket":"%b","user":"anon-%016x"},"ping":25,"pong":true}}'
    ) % (ticket.encode(), somebody.voter)
    assert here.clients.told == [(0xAB, somebody.voter, 0, True)]


def test_a_monitor_says_so_and_is_not_counted() -> None:
    here = World(SETTINGS)
    here.say(1, {"id": 1, "connect": {"data": {"monitor": True}}})
    ((_, _, _, counted),) = here.clients.told
    assert not counted


def test_token_reply_to_the_letter() -> None:
    here = World(SETTINGS)
    token = sign({"sub": "42", "exp": SOON, "info": {"name": "x\ny"}})
    (got,) = here.say(1, {"id": 1, "connect": {"token": token}})
    voter = voter_of("42", SECRET)
    ticket = tickets.mint(SECRET, voter, SOON)
    assert (
        got
        == (
            b'{"id":1,"connect":{"client":"0000000000000001","version":"ngage test",'
            b'"time":1800000000500,"expires":true,"ttl":60,'
            b'"data":{"ticket":"%b","user":"42"},"ping":25,"pong":true}}'
        )
        % ticket.encode()
    )
    assert here.clients.told == [(1, voter, SOON, True)]
    assert known(here) == Identity("42", voter, b'{"name":"x\\ny"}', expires=SOON)


def test_pings_are_announced_in_whole_seconds() -> None:
    result = World(Settings(client_ping_seconds=1.2)).connected()
    assert (result["ping"], result["pong"]) == (2, True)


def test_two_anonymous_people_are_two_voters() -> None:
    here = World()
    here.connected(1)
    here.connected(2)
    assert known(here, 1).voter != known(here, 2).voter


def test_a_ticket_makes_the_same_voter() -> None:
    here = World()
    first = here.connected(1)["data"]
    second = here.connected(2, data={"ticket": first["ticket"], "page": 1})["data"]
    assert second["user"] == first["user"]
    assert known(here, 2) == known(here, 1)


def test_a_monitor_is_not_counted_and_stays_one() -> None:
    here = World()
    ticket = tickets.mint(SECRET, 7, SOON, monitor=True)
    result = here.connected(1, data={"ticket": ticket})
    assert here.clients.told == [(1, 7, 0, False)]
    renewed = tickets.read(SECRET, result["data"]["ticket"])
    assert renewed is not None
    assert renewed.monitor


def test_a_forged_ticket_at_every_byte() -> None:
    ticket = tickets.mint(SECRET, 7, SOON)
    here = World()
    cut = [ticket[:place] for place in range(1, len(ticket))]
    changed = [ticket[:place] + "~" + ticket[place + 1 :] for place in range(len(ticket))]
    for client, forged in enumerate(cut + changed):
        got = here.ask(client, {"id": 1, "connect": {"data": {"ticket": forged}}})
        assert got == INVALID
    assert here.clients.told == []


def test_an_expired_ticket_is_somebody_new() -> None:
    here = World()
    result = here.connected(1, data={"ticket": tickets.mint(SECRET, 7, int(NOW))})
    assert result["data"]["user"] != f"anon-{7:016x}"


@pytest.mark.parametrize("data", [None, 1, "x", [], {}, {"ticket": 1}, {"ticket": ""}])
def test_other_data_is_the_applications(data: object) -> None:
    assert World().connected(1, data=data)["data"]["user"].startswith("anon-")


def test_where_nobody_may_be_anonymous() -> None:
    here = World(Settings(anonymous=False, token_hmac_secret=KEY))
    assert here.ask(1, {"id": 1, "connect": {}}) == BAD_REQUEST
    assert here.connected(2, data={"ticket": tickets.mint(SECRET, 7, SOON)})
    expired = {"ticket": tickets.mint(SECRET, 7, int(NOW))}
    assert here.ask(3, {"id": 1, "connect": {"data": expired}})["error"] == TOKEN_EXPIRED
    assert here.connected(4, token=sign({"sub": ""}))
    assert here.connected(5, token=sign({"sub": "42"}))


def test_a_ticket_lets_nobody_stay_longer_than_the_token() -> None:
    here = World(Settings(anonymous=False, token_hmac_secret=KEY))
    ticket = here.connected(1, token=sign({"sub": "42", "exp": SOON}))["data"]["ticket"]
    here.now = SOON - 1
    result = here.connected(2, data={"ticket": ticket})
    assert result["ttl"] == 1
    assert (known(here, 2).voter, known(here, 2).expires) == (voter_of("42", SECRET), SOON)
    assert result["data"]["ticket"] == ticket
    here.now = SOON
    got = here.ask(3, {"id": 1, "connect": {"data": {"ticket": ticket}}})
    assert got["error"] == TOKEN_EXPIRED


def test_a_ticket_of_somebody_without_a_token_is_renewed() -> None:
    here = World()
    ticket = here.connected(1)["data"]["ticket"]
    here.now += 1000
    renewed = tickets.read(SECRET, here.connected(2, data={"ticket": ticket})["data"]["ticket"])
    assert renewed is not None
    assert renewed.expires == int(here.now) + VIEWER_TICKET_SECONDS
    assert known(here, 2).expires == 0


def test_an_expired_ticket_with_a_token_is_the_same_voter() -> None:
    here = World(Settings(anonymous=False, token_hmac_secret=KEY))
    ticket = here.connected(1, token=sign({"exp": SOON}))["data"]["ticket"]
    here.now = SOON
    here.connected(2, token=sign({"exp": SOON + 60}), data={"ticket": ticket})
    assert known(here, 2).voter == known(here, 1).voter


def test_a_token_for_nobody_in_particular() -> None:
    here = World(SETTINGS)
    ticket = tickets.mint(SECRET, 7, SOON)
    here.connected(1, token=sign({"exp": SOON, "info": 1}), data={"ticket": ticket})
    assert known(here) == Identity(f"anon-{7:016x}", 7, b"1", expires=SOON)


@pytest.mark.parametrize("sub", ["anon-0000000000000007", "anon-", "host-gala"])
def test_nobody_is_given_a_name_that_is_made_here(sub: str) -> None:
    assert World(SETTINGS).ask(1, {"id": 1, "connect": {"token": sign({"sub": sub})}}) == INVALID


def test_invalid_and_expired_tokens() -> None:
    here = World(SETTINGS)
    assert here.ask(1, {"id": 1, "connect": {"token": "x"}}) == INVALID
    expired = here.ask(2, {"id": 1, "connect": {"token": sign({"exp": NOW - 1})}})
    assert expired == {"id": 1, "error": TOKEN_EXPIRED}
    late = here.ask(3, {"id": 1, "connect": {"token": sign({"expire_at": int(NOW)})}})
    assert late == {"id": 1, "error": {"code": 110, "message": "expired"}}
    # An SDK closes after an error; another try on the same connection is as good.
    assert here.connected(2, token=sign({"sub": "42"}))


def test_a_far_expiry_is_cut() -> None:
    result = World(SETTINGS).connected(1, token=sign({"exp": int(NOW) + 2 * TTL_SECONDS_MAX}))
    assert result["ttl"] == TTL_SECONDS_MAX


def test_connecting_twice() -> None:
    here = World(SETTINGS)
    here.connected(1)
    assert here.ask(1, {"id": 2, "connect": {}}) == BAD_REQUEST
    here.connected(2)
    here.clients.settle()
    here.protocol._recent = Recent()
    assert here.ask(2, {"id": 2, "connect": {}}) == BAD_REQUEST


# Host keys


def test_a_host_key_is_a_connection_token() -> None:
    here = World(SETTINGS)
    expires = int(time.time()) + 1000
    result = here.connected(1, token=hostkeys.mint(SECRET, "gala", expires))
    assert result["data"]["user"] == "host-gala"
    assert (known(here).host, known(here).monitor, known(here).expires) == ("gala", True, expires)
    here.edge.channel("host:gala")
    here.edge.channel("host:other")
    assert "subscribe" in here.ask(1, {"id": 2, "subscribe": {"channel": "host:gala"}})
    assert here.ask(1, {"id": 3, "subscribe": {"channel": "host:other"}})["error"]["code"] == 103


def test_a_host_key_that_has_expired() -> None:
    here = World(SETTINGS)
    got = here.ask(1, {"id": 1, "connect": {"token": hostkeys.mint(SECRET, "gala", 1)}})
    assert got["error"] == TOKEN_EXPIRED


# Channels of a token


def test_the_server_subscribes_to_what_the_token_names() -> None:
    here = World(SETTINGS)
    for name in ("a", "$b"):
        for number in range(3):
            here.edge.channel(name).publish(str(number))
    token = sign({"sub": "42", "channels": ["a", "$b", "none", "a"]})
    subs = {"$b": {"recover": True, "epoch": "0a1b2c3d", "offset": 1}, "other": {}}
    result = here.connected(1, token=token, subs=subs)
    position = {"recoverable": True, "epoch": "0a1b2c3d", "positioned": True}
    assert result["subs"] == {
        "a": {**position, "offset": 3},
        "$b": {
            **position,
            "offset": 1,
            "recovered": True,
            "was_recovering": True,
            "publications": [{"data": 1, "offset": 2}, {"data": 2, "offset": 3}],
        },
    }
    assert here.clients.subscribed == {(1, "a"), (1, "$b")}


def test_too_many_channels_of_a_token() -> None:
    token = sign({"channels": [f"c{number}" for number in range(17)]})
    got = World(SETTINGS).ask(1, {"id": 1, "connect": {"token": token}})
    assert got == End(CloseCode.CHANNEL_LIMIT, "channel limit")


# Refresh


def refreshing(**claims: Any) -> World:
    here = World(SETTINGS)
    here.connected(1, token=sign({"sub": "42", "exp": SOON, **claims}))
    return here


def test_refresh_lets_stay() -> None:
    here = refreshing(info=1)
    fresh = sign({"sub": "42", "exp": SOON + 60, "info": 2})
    assert here.say(1, {"id": 2, "refresh": {"token": fresh}}) == [
        b'{"id":2,"refresh":{"expires":true,"ttl":120}}'
    ]
    voter = voter_of("42", SECRET)
    assert here.clients.told[1:] == [(1, voter, SOON + 60, True)]
    assert (known(here).info, known(here).expires) == (b"2", SOON + 60)


def test_refresh_for_ever() -> None:
    here = refreshing()
    got = here.say(1, {"id": 2, "refresh": {"token": sign({"sub": "42"})}})
    assert got == [b'{"id":2,"refresh":{}}']


@pytest.mark.parametrize(
    ("token", "end"),
    [
        ("x", INVALID),
        (sign({"sub": "43", "exp": SOON}), INVALID),
        (sign({"exp": SOON}), INVALID),
        (sign({"sub": "42", "exp": int(NOW)}), End(CloseCode.EXPIRED, "connection expired")),
        (sign({"sub": "42", "expire_at": 1}), End(CloseCode.EXPIRED, "connection expired")),
        ("", BAD_REQUEST),
    ],
)
def test_refresh_refused(token: str, end: End) -> None:
    assert refreshing().ask(1, {"id": 2, "refresh": {"token": token}}) == end


def test_refresh_of_nobody_in_particular() -> None:
    """It stays the same voter."""
    here = World(SETTINGS)
    here.connected(1, token=sign({"exp": SOON}), data={"monitor": True})
    before = known(here)
    fresh = sign({"exp": SOON + 60, "info": 2})
    assert here.say(1, {"id": 2, "refresh": {"token": fresh}}) == [
        b'{"id":2,"refresh":{"expires":true,"ttl":120}}'
    ]
    assert known(here) == replace(before, expires=SOON + 60, info=b"2")
    assert here.ask(1, {"id": 3, "refresh": {"token": sign({"sub": "42"})}}) == INVALID


def test_refresh_keeps_what_subscription_tokens_opened() -> None:
    here = refreshing()
    here.edge.channel("$a")
    here.say(
        1, {"id": 2, "subscribe": {"channel": "$a", "token": sign({"sub": "42", "channel": "$a"})}}
    )
    here.say(1, {"id": 3, "refresh": {"token": sign({"sub": "42"})}})
    assert known(here).granted == (("$a", 0),)


# Identities under way


def test_what_was_told_a_moment_ago_counts_before_the_core_knows_it() -> None:
    here = World(SETTINGS)
    here.connected(1)
    assert here.clients.identities == {}
    assert here.ask(1, {"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
    here.protocol._recent.rotate()
    assert here.ask(1, {"id": 3, "ping": {}}) == {"id": 3, "ping": {}}


def test_what_was_told_long_ago_is_what_the_core_knows() -> None:
    here = World(SETTINGS)
    here.connected(1)
    here.connected(2)
    here.clients.settle()
    here.protocol._recent.rotate()
    here.protocol._recent.rotate()
    assert here.protocol._recent.find(1) is None
    assert here.ask(1, {"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
