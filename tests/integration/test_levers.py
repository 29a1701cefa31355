"""bench.levers at a small size: whatever way it was sent, every fan has everything, once."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.levers.figures import Report
from bench.scale.host import SYSCTLS
from tests.helpers.namespace import refusal

ROOT = Path(__file__).parents[2]
URING = SYSCTLS / "kernel/io_uring_disabled"  # 0: anybody may, 1: privileged only, 2: nobody
FANS, ROUNDS = 500, 1
LEVERS = ("ring", "fixed", "shuffled", "touch", "prefetch")


@pytest.mark.alone
@pytest.mark.memory
@pytest.mark.timeout(120)
def test_every_way_of_sending_is_complete(tmp_path: Path) -> None:
    if why := refusal(FANS):
        pytest.skip(why)
    if not URING.exists() or URING.read_text().strip() == "2":
        pytest.skip("the kernel has no io_uring, or nobody may use it")
    numbers = ["--fans", str(FANS), "--rounds", str(ROUNDS), "--raw", str(tmp_path)]
    command = [sys.executable, "-m", "bench.levers", *numbers, "--only", ",".join(LEVERS)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    report = msgspec.json.decode((tmp_path / f"loopback-{FANS}.json").read_bytes(), type=Report)
    assert [found.lever for found in report.levers] == list(LEVERS)
    for found in report.levers:
        # seccomp may refuse io_uring where the sysctl does not.
        assert not found.wrong, said
        assert found.absent.startswith("the kernel refuses") or len(found.turns) == 2 * ROUNDS
