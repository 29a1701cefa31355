"""One message of a client, while its commands are answered."""

from ngage import identity
from ngage.centrifugo import codec
from ngage.centrifugo.clients import Channel, Clients
from ngage.centrifugo.recent import Recent
from ngage.events import ClientMessage
from ngage.identity import Identity


class Turn:
    """Who sent it, and the replies, which leave together and before anything else for the client.

    command is the id of the one that is answered; its value 0 asks for no reply. now is in Unix
    seconds. waited: keys were fetched for the command.
    """

    __slots__ = (
        *("_clients", "_recent", "_replies"),
        *("address", "client", "command", "identity", "message", "now", "waited"),
    )

    def __init__(
        self, clients: Clients, recent: Recent, message: ClientMessage, now: float
    ) -> None:
        self.message = message
        self.client = message.client
        self.address = message.address
        self.command = 0
        self.now = now
        self.waited = False
        self.identity = recent.find(message.client)
        if self.identity is None and message.identity:
            self.identity = identity.decode(message.identity)
        self._clients = clients
        self._recent = recent
        self._replies: list[bytes] = []

    @property
    def known(self) -> Identity:
        """Who sent it, which is known after `connect`."""
        assert self.identity is not None
        return self.identity

    def reply(self, result: bytes) -> None:
        """Answer the command."""
        self._replies.append(codec.reply(self.command, result))

    def flush(self) -> None:
        """Send the replies."""
        if self._replies:
            self._clients.send(self.client, b"\n".join(self._replies))
            self._replies.clear()

    def identify(self, known: Identity) -> None:
        """Let the core keep who the client is from now on."""
        self.identity = known
        self._recent.keep(self.client, known)
        self._clients.identify(
            self.client,
            known.voter,
            known.expires,
            identity.encode(known),
            counted=not known.monitor,
        )

    def subscribe(self, channel: Channel, since: int | None, result: bytes) -> None:
        """Subscribe the client, which the core replies to."""
        self.flush()
        self._clients.subscribe(self.client, channel, self.command, since, result)

    def unsubscribe(self, channel: Channel) -> None:
        """End a subscription of the client."""
        self.flush()
        self._clients.unsubscribe(self.client, channel)
