"""A network of its own for a measurement, where root may have one.

Most peers have no way to choose TCP_CONGESTION, and a default that paces (bbr) would be measured as
a timer. A network namespace has sysctls of its own, and nothing else is on its loopback.
"""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

CLONE_NEWNET = 0x40000000  # linux/sched.h
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914  # linux/sockios.h
IFF_UP = 1
REQUEST = struct.Struct("16sh22x")  # struct ifreq: a name and its flags
SYSCTL = Path("/proc/sys/net")
CONGESTION = SYSCTL / "ipv4/tcp_congestion_control"
SETTINGS = {
    CONGESTION: "reno",  # any namespace may set it
    SYSCTL / "core/somaxconn": "65535",
    SYSCTL / "ipv4/ip_local_port_range": "10000 65535",
}


def enter() -> str:
    """Move this process and those it will start there: what there is to know, in words."""
    try:
        isolate()
    except OSError as error:
        return f"the host's network ({error.strerror}), {CONGESTION.read_text().strip()}"
    return f"a network namespace of its own, {SETTINGS[CONGESTION]}"


def isolate() -> None:
    """As enter(), but raises OSError where that is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, REQUEST.pack(b"lo", 0))
        name, flags = REQUEST.unpack(request)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, REQUEST.pack(name, flags | IFF_UP))
    for path, value in SETTINGS.items():
        path.write_text(value)
