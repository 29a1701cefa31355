"""The kernel's limits are raised for a run, never lowered, and put back whatever happens."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.scale.estimate import ScaleError
from bench.scale.host import HASH_BUCKETS, Before, changes, minima, raised, restore

MEMORY = 16 << 30
OLD = {
    "fs/file-max": "9223372036854775807",  # higher than any run needs
    "fs/epoll/max_user_watches": "5000",
    "net/ipv4/tcp_mem": "1\t2\t3",
    "net/ipv4/tcp_max_orphans": "4096",
    "net/ipv4/tcp_child_ehash_entries": "0",
    "net/core/netdev_max_backlog": "1000",
}
FILES = "fs/file-max"


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    for name, value in OLD.items():
        file = tmp_path / "sys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    return tmp_path / "sys"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "before.json"


def values(sysctls: Path) -> dict[str, str]:
    return {name: (sysctls / name).read_text().strip() for name in OLD}


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_within_the_context_the_limits_hold_the_fans(sysctls: Path, file: Path) -> None:
    with raised(1_000_000, MEMORY, sysctls, file) as told:
        now = values(sysctls)
        assert told == now
        assert int(now["fs/epoll/max_user_watches"]) > 2_000_000
        assert now["net/ipv4/tcp_child_ehash_entries"] == str(HASH_BUCKETS)
        assert {name for name in now if now[name] == OLD[name]} == {FILES}
    assert values(sysctls) == OLD
    assert not file.exists()


def test_an_error_or_a_ctrl_c_puts_them_back_too(sysctls: Path, file: Path) -> None:
    with pytest.raises(KeyboardInterrupt), raised(1000, MEMORY, sysctls, file):
        raise KeyboardInterrupt
    assert values(sysctls) == OLD


def test_what_a_crashed_run_left_is_put_back_by_the_next(sysctls: Path, file: Path) -> None:
    changed = changes(minima(1000, MEMORY), values(sysctls))
    before = {name: OLD[name] for name in changed}
    for name, value in changed.items():
        (sysctls / name).write_text(value)
    file.write_bytes(msgspec.json.encode(Before(dead_pid(), before)))
    with raised(1000, MEMORY, sysctls, file):
        pass
    assert values(sysctls) == OLD


def test_restore_tells_what_it_put_back_and_does_it_once(sysctls: Path, file: Path) -> None:
    file.write_bytes(msgspec.json.encode(Before(dead_pid(), {FILES: "7"})))
    assert restore(sysctls, file) == {FILES: "7"}
    assert values(sysctls)[FILES] == "7"
    assert restore(sysctls, file) == {}


def test_where_nothing_can_be_set_nothing_is_left_behind(
    sysctls: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(OSError, match="Read-only"), raised(1000, MEMORY, sysctls, file):
        pass
    assert not file.exists()


def test_a_run_that_goes_on_is_not_disturbed(sysctls: Path, file: Path) -> None:
    file.write_bytes(msgspec.json.encode(Before(os.getppid(), {FILES: "7"})))
    with pytest.raises(ScaleError, match=f"process {os.getppid()} is at it"):
        restore(sysctls, file)
    assert values(sysctls) == OLD
    assert file.exists()
