"""The files in tuning/: each value explained, the unit as tight as it says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

TUNING = Path(__file__).parents[2] / "tuning"
UNIT = TUNING / "systemd/ngage-edge.service"
SYSCTL = (TUNING / "sysctl.d/90-ngage.conf").read_text()


def test_every_sysctl_has_a_reason_above_it() -> None:
    for paragraph in SYSCTL.split("\n\n"):
        lines = paragraph.strip().splitlines()
        if any(not line.startswith("#") for line in lines):
            assert lines[0].startswith("# "), paragraph


def test_every_sysctl_exists() -> None:
    names = re.findall(r"^([a-z][\w.]+) = \S", SYSCTL, re.MULTILINE)
    assert len(names) == len(set(names)) > 0
    missing = [name for name in names if not Path("/proc/sys", *name.split(".")).exists()]
    # A network namespace shows fewer of net.core; those of its own it shows all.
    assert [name for name in missing if not name.startswith("net.core.")] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_unit_is_sandboxed() -> None:
    """Exposure of at most 2.0 of 10."""
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_unit_names_a_descriptor_limit() -> None:
    unit = UNIT.read_text()
    assert re.search(r"^LimitNOFILE=\d+$", unit, re.MULTILINE)
