"""The batches of a backend by themselves: what the shards send through, behind a plain function."""

def send_each(backend: str, fds: tuple[int, ...], data: bytes) -> list[int]:
    """The same bytes to each socket: what send(2) returned for it, or -errno.

    Raises ValueError for a backend that is not built in or more sockets than a batch has, OSError
    where the kernel refuses the backend.
    """
