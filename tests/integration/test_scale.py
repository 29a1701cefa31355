"""bench.scale at a size that any runner can take: every fan has everything, once, and unaltered."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scale.host import SYSCTLS, minima

ROOT = Path(__file__).parents[2]
FANS = 20_000


def refusal() -> str:
    """Why there can be no run here."""
    if os.geteuid() != 0:
        return "a network namespace and the kernel's limits need root"
    made = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespace: {made.stderr.strip()}"
    files = [SYSCTLS / name for name in minima(FANS, 0)]
    fixed = [str(file) for file in files if not os.access(file, os.W_OK)]
    return f"cannot write {', '.join(fixed)}" if fixed else ""


def sysctls() -> dict[str, str]:
    return {name: (SYSCTLS / name).read_text() for name in minima(FANS, 0)}


@pytest.mark.memory
@pytest.mark.timeout(180)
def test_a_smoke_run_is_complete_and_leaves_the_host_as_it_was() -> None:
    if why := refusal():
        pytest.skip(why)
    before = sysctls()
    command = [sys.executable, "-m", "bench.scale", "--smoke", "--fans", str(FANS)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "nothing lost, doubled or altered" in ended.stdout
    assert sysctls() == before
