"""Ports that stay a server's own while it is dead, so that it comes back where fans look for it.

The kernel gives a dead server's port to the next outgoing connection, and a crowd makes many. So
port 0 is replaced before the first start by a port that a socket of ours stays bound to. It never
listens, and with SO_REUSEADDR and SO_REUSEPORT (socket(7)) it is in no server's way.
"""

import re
import socket
from dataclasses import replace

from ngage.errors import ServerError
from ngage.mob.model import Server
from ngage.options import join_address, split_address

FLAGS = ("--listen", "--admin")
VARIABLES = ("NGAGE_LISTEN", "NGAGE_ADMIN")
KEY = re.compile(r"""^(\s*(?:listen|admin)\s*=\s*["'])([^"']*:0)(?=["'])""", re.MULTILINE)


class Ports:
    """Ports that were free and are kept until close()."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def settle(self, server: Server) -> Server:
        """The server with a port in the place of each 0 of its listen and admin addresses.

        Looks at --listen and --admin, at keys of the config with these names, and at NGAGE_LISTEN
        and NGAGE_ADMIN. Raises ServerError where the kernel has no port.
        """
        return replace(
            server,
            command=tuple(self._in_command(server.command)),
            config=KEY.sub(lambda match: match[1] + self._take(match[2]), server.config),
            environment=tuple(
                (name, self._take(value) if name in VARIABLES else value)
                for name, value in server.environment
            ),
        )

    def close(self) -> None:
        """Give the ports back."""
        for held in self._held:
            held.close()
        self._held.clear()

    def _in_command(self, command: tuple[str, ...]) -> list[str]:
        words: list[str] = []
        for word in command:
            flag, equals, value = word.partition("=")
            if equals and flag in FLAGS:
                words.append(f"{flag}={self._take(value)}")
            elif words and words[-1] in FLAGS:
                words.append(self._take(word))
            else:
                words.append(word)
        return words

    def _take(self, address: str) -> str:
        if not address.endswith(":0"):
            return address
        try:
            host, _ = split_address(address)
            held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            self._held.append(held)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((host, 0))
        except (OSError, ValueError) as error:
            raise ServerError(f"{address}: no free port can be had there ({error})") from error
        return join_address(host, held.getsockname()[1])
