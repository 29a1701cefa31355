from hypothesis import given
from hypothesis import strategies as st

from ngage import identity
from ngage.identity import Identity, anonymous, decode, encode, voter_of

SECRET = bytes(range(32))

IDENTITIES = st.builds(
    Identity,
    st.text(),
    st.integers(0, 2**64 - 1),
    st.none() | st.binary(),
    st.booleans(),
    st.text(),
    st.integers(0, 2**33),
    st.lists(st.tuples(st.text(), st.integers(0, 2**33))).map(tuple),
)


@given(IDENTITIES)
def test_what_the_core_keeps_comes_back(known: Identity) -> None:
    assert decode(encode(known)) == known


def test_voter_of_a_user_is_stable_and_secret() -> None:
    assert voter_of("42", SECRET) == voter_of("42", SECRET) == 2043412230312713055
    assert len({voter_of("42", SECRET), voter_of("43", SECRET), voter_of("42", bytes(32))}) == 3


def test_anonymous_is_the_voter_of_a_ticket_or_somebody_new() -> None:
    known = anonymous(0xAB, monitor=True)
    assert known == Identity("anon-00000000000000ab", 0xAB, monitor=True)
    assert known.anonymous
    assert anonymous().voter not in {0, anonymous().voter}


def test_users_are_not_anonymous() -> None:
    assert not Identity("42", 1).anonymous
    assert identity.ANONYMOUS in identity.RESERVED


def test_grants_end() -> None:
    known = Identity("42", 1, granted=(("a", 0), ("b", 100)))
    assert [known.has_grant(name, 99.9) for name in "abc"] == [True, True, False]
    assert [known.has_grant(name, 100) for name in "abc"] == [True, False, False]
