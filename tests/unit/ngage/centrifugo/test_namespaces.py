import pytest

from ngage.centrifugo.namespaces import Namespaces
from ngage.identity import Identity, anonymous
from ngage.settings import NamespaceOptions, Settings

USER = Identity("42", 1)
NOBODY = anonymous(2)
HOST = Identity("host-gala", 3, host="gala")

NAMESPACES = Namespaces(
    Settings(
        namespace_publish="anybody",
        namespaces={
            "all": NamespaceOptions(subscribe="anybody", publish="users"),
            "users": NamespaceOptions(subscribe="users", publish="anybody"),
            "token": NamespaceOptions(subscribe="token"),
            "chat": NamespaceOptions(publish="anybody", create=True, history=False),
        },
    )
)


@pytest.mark.parametrize(
    ("channel", "who"),
    [
        ("stage", "user nobody host"),
        ("undeclared:1", "user nobody host"),
        ("all:1", "user nobody host"),
        ("users:1", "user host"),
        ("token:1", ""),
        ("$all:1", ""),
        ("$stage", ""),
        ("all:1#42", "user"),
        ("all:1#7,42", "user"),
        ("all:1#4,2", ""),
        ("token:1#42", "user"),
        ("#42", "user"),
        ("all:1#", ""),
        ("all:1#anon-0000000000000002", "nobody"),
        ("host:gala", "host"),
        ("host:other", ""),
        ("host:gala#42", ""),
        ("host:", "user nobody host"),
        ("event:gala", "user nobody host"),
    ],
)
def test_who_may_subscribe(channel: str, who: str) -> None:
    people = {"user": USER, "nobody": NOBODY, "host": HOST}
    allowed = [name for name, known in people.items() if NAMESPACES.may_subscribe(channel, known)]
    assert " ".join(allowed) == who


@pytest.mark.parametrize(
    ("channel", "who"),
    [
        ("stage", "user nobody"),
        ("all:1", "user"),
        ("users:1", "user nobody"),
        ("token:1", ""),
        *((f"{of}:gala", "") for of in ("event", "tally", "chat", "questions", "host")),
        ("$chat:gala", ""),
    ],
)
def test_who_may_publish(channel: str, who: str) -> None:
    people = {"user": USER, "nobody": NOBODY}
    allowed = [name for name, known in people.items() if NAMESPACES.may_publish(channel, known)]
    assert " ".join(allowed) == who


def test_what_an_event_does_not_decide_is_as_declared() -> None:
    assert NAMESPACES.options("chat:gala") == NamespaceOptions(history=False)


@pytest.mark.parametrize(
    ("channel", "public"),
    [
        ("stage", True),
        ("all:1", True),
        ("event:gala", True),
        ("users:1", False),
        ("token:1", False),
        ("$all:1", False),
        ("all:1#42", False),
        ("host:gala", False),
    ],
)
def test_what_the_raw_protocol_may_carry(channel: str, public: bool) -> None:
    assert NAMESPACES.is_public(channel) is public
