"""Messages to systemd (sd_notify(3)); silent where nobody listens."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The service manager named by NOTIFY_SOCKET, if there is one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # A leading @ names a socket in the abstract namespace.
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_us = int(environment.get("WATCHDOG_USEC", "0")) if watched else 0

    def ready(self) -> None:
        """The edge serves, or serves again after reloading()."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Settings are being read; ready() must follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The edge drains."""
        self._send("STOPPING=1")

    def main_pid(self, pid: int) -> None:
        """Another process is the service from now on."""
        self._send(f"MAINPID={pid}")

    async def watch(self) -> None:
        """Tell the watchdog that the loop turns, twice per its interval, until cancelled."""
        while self._watchdog_us:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_us / 2e6)

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(state.encode(), self._address)
            except OSError:
                # A manager that does not listen must not end the service.
                return
