"""bench.scale at a size that any runner can take: every fan has everything, once, and unaltered.

The host is as before in any case, and no process is left behind.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.scale.estimate import capacity, limit
from bench.scale.host import SYSCTLS, minima
from bench.scale.options import SMOKE_FANS
from tests.helpers.namespace import refusal
from tests.helpers.wait import wait_until

ROOT = Path(__file__).parents[2]
FEW = 5000
COMMAND = [sys.executable, "-m", "bench.scale", "--smoke", "--restart"]

pytestmark = [pytest.mark.memory, pytest.mark.alone]


def sysctls() -> dict[str, str]:
    return {name: (SYSCTLS / name).read_text() for name in minima(FEW, 0)}


@pytest.fixture
def host() -> Iterator[None]:
    """It can run here, and is as it was afterwards."""
    if why := refusal(FEW):
        pytest.skip(why)
    before = sysctls()
    yield
    assert sysctls() == before


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("host")
def test_a_full_house_hears_everything_through_a_restart() -> None:
    most, why = limit(capacity())
    if most < SMOKE_FANS:
        pytest.skip(why)
    ended = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"all {SMOKE_FANS:,} connected" in ended.stdout
    assert f"{SMOKE_FANS:,} recovered, 0 not" in ended.stdout
    assert "nothing lost, doubled or altered" in ended.stdout


@pytest.mark.usefixtures("host")
def test_any_command_finds_room_for_its_fans() -> None:
    script = "cat /proc/sys/fs/file-max; readlink /proc/self/ns/net; exit 7"
    command = [sys.executable, "-m", "bench.scale.around", str(FEW), "sh", "-c", script]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 7, ended.stderr
    files, network = ended.stdout.splitlines()
    assert int(files) >= minima(FEW, 0)["fs/file-max"][0]
    assert network != os.readlink("/proc/self/ns/net")


@pytest.mark.usefixtures("host")
def test_a_command_that_is_interrupted_may_end_in_good_order() -> None:
    script = "import time\ntry: print(1, flush=True); time.sleep(60)\nfinally: print(2)"
    command = [sys.executable, "-m", "bench.scale.around", str(FEW), sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "1\n"
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == "2\n"
    assert running.returncode == 130


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_nothing_behind(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--fans", str(FEW)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout
        assert run.stderr
        assert any("connected" in line for line in run.stdout), run.stderr.read()
        assert len(processes_of(run.pid)) > 2
        run.send_signal(number)
        assert run.stderr.read() == "scale: ended before its time; the host is as it was\n"
    assert run.returncode == 130
    wait_until(lambda: not processes_of(run.pid), "the end of all its processes")


def processes_of(session: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
    return found
