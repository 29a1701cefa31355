"""A process whom a filter refuses a system call, as a container's does: seccomp(2).

python -m tests.helpers.seccomp 425 EPERM COMMAND...
"""

import ctypes
import errno
import os
import struct
import sys

IO_URING_SETUP = 425
IO_URING_ENTER = 426

PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7FFF0000

LOAD_NUMBER = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS: the first word of struct seccomp_data
JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
RETURN = 0x06


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refused(call: int, name: str) -> tuple[str, ...]:
    """What to put before a command, so that this system call fails with this error."""
    return (sys.executable, "-m", "tests.helpers.seccomp", str(call), name)


def refuse(call: int, number: int) -> None:
    """From now on, for this process and its children."""
    instructions = [
        LOAD_NUMBER,
        (JUMP_IF_EQUAL, 0, 1, call),
        (RETURN, 0, 0, RET_ERRNO | number),
        (RETURN, 0, 0, RET_ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    program = Program(len(instructions), code)
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse(int(sys.argv[1]), getattr(errno, sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
