"""A client far away, as TCP sees it: a network whose wire is this process, and takes its time.

What is sent to FAR through a TUN device comes back after a while as if FAR had sent it to HERE:
source and destination are swapped, which leaves all checksums as they are. So whoever connects to
FAR is served by who listens on HERE, a round trip of two delays apart.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.network import CLONE_NEWNET, isolate

HERE, FAR, MASK = "10.9.0.1", "10.9.0.2", "255.255.255.0"
DEVICE = b"far0"
TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_NO_PI = 0x1, 0x1000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C  # linux/sockios.h
IFF_UP = 0x1
PACKET_BYTES_MAX = 65536


def refusal() -> str:
    """Why there can be no such network here; "" if there can."""
    try:
        with far_away(0):
            return ""
    except OSError as error:
        return f"no network of its own with a TUN device: {error}"


@contextmanager
def far_away(delay_ms: int) -> Iterator[None]:
    """This thread, and what it starts, have HERE and FAR and nothing else meanwhile."""
    with ExitStack() as stack:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        stack.callback(os.close, before)
        stack.callback(_enter, before)
        isolate()
        wire = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        stack.callback(os.close, wire)
        fcntl.ioctl(wire, TUNSETIFF, struct.pack("16sH22x", DEVICE, IFF_TUN | IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            for request, address in ((SIOCSIFADDR, HERE), (SIOCSIFNETMASK, MASK)):
                fields = DEVICE, socket.AF_INET, socket.inet_aton(address)
                fcntl.ioctl(door, request, struct.pack("16sHxx4s16x", *fields))
            fcntl.ioctl(door, SIOCSIFFLAGS, struct.pack("16sH22x", DEVICE, IFF_UP))
        ended, end = os.pipe()
        stack.callback(os.close, ended)
        carrier = threading.Thread(target=_carry, args=(wire, ended, delay_ms / 1000))
        carrier.start()
        stack.callback(carrier.join)
        stack.callback(os.close, end)
        yield


def _enter(network: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(network, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _carry(wire: int, ended: int, delay: float) -> None:
    on_the_way: deque[tuple[float, bytes]] = deque()
    while True:
        wait = max(0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        ready, _, _ = select.select([wire, ended], [], [], wait)
        if ended in ready:
            return
        if wire in ready:
            packet = os.read(wire, PACKET_BYTES_MAX)
            if packet[0] >> 4 == 4:  # IPv6 greets its neighbours
                back = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
                on_the_way.append((time.monotonic() + delay, back))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            os.write(wire, on_the_way.popleft()[1])
