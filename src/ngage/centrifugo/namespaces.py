"""Which channel is of which namespace, and who may do what in it.

NAMESPACE:NAME is of that namespace; a channel without a colon, or of a namespace that is not
declared, has the defaults. $NAMESPACE:NAME needs a subscription token, NAMESPACE:NAME#USER,USER
one of these users. The channels of an event are for the event to publish to, whatever is declared,
and host:EVENT is for its host.
"""

from dataclasses import replace

from ngage.identity import Identity
from ngage.settings import NamespaceOptions, Settings

SEPARATOR = ":"
PRIVATE = "$"
USERS = "#"
HOST = "host"
OF_EVENTS = ("event", "tally", "chat", "questions", HOST)


class Namespaces:
    """The options of every channel by its name."""

    def __init__(self, settings: Settings) -> None:
        self._defaults = settings.namespace_defaults()
        self._declared = dict(settings.namespaces)
        for name in OF_EVENTS:
            options = self._declared.get(name, self._defaults)
            self._declared[name] = replace(options, publish="nobody", create=False)

    def options(self, channel: str) -> NamespaceOptions:
        """What holds for a channel of that name."""
        return self._declared.get(_namespace(channel), self._defaults)

    def may_subscribe(self, channel: str, identity: Identity) -> bool:
        """Whether somebody may without a subscription token."""
        if channel.startswith(PRIVATE):
            return False
        namespace, _, name = channel.partition(SEPARATOR)
        if namespace == HOST and name:
            return identity.host == name
        _, limited, users = channel.partition(USERS)
        if limited:
            return identity.user in users.split(",")
        return _admits(self.options(channel).subscribe, identity)

    def may_publish(self, channel: str, identity: Identity) -> bool:
        """Whether somebody who may subscribe may publish, too."""
        return _admits(self.options(channel).publish, identity)

    def is_public(self, channel: str) -> bool:
        """Whether everybody may subscribe, so that the raw protocol may carry it as well."""
        closed = channel.startswith((PRIVATE, f"{HOST}{SEPARATOR}")) or USERS in channel
        return not closed and self.options(channel).subscribe == "anybody"


def _namespace(channel: str) -> str:
    namespace, separator, _ = channel.removeprefix(PRIVATE).partition(SEPARATOR)
    return namespace if separator else ""


def _admits(whom: str, identity: Identity) -> bool:
    return whom == "anybody" or (whom == "users" and not identity.anonymous)
