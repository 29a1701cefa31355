"""What the Python peers share: the ready line, and an end with whoever started them."""

import os
import signal
import sys
import threading

BACKLOG = 65535  # the kernel takes the smaller of this and net.core.somaxconn


def port_wanted() -> int:
    """The argument PORT; 0 picks a free one."""
    return int(sys.argv[1])


def ready(port: int) -> None:
    """Say that it listens; from now on end with stdin, as SIGTERM ends it anyway."""
    print(f"ready port={port}", flush=True)
    threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
