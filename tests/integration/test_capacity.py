"""`mobsim capacity` as a process, in front of a real edge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MOBSIM = str(Path(sys.executable).with_name("mobsim"))

SCENARIO = """
[mob]
name = "short"
fans = 20
target = "ws://{edge}/ws/stage:main"
max_lag = "60s"

[[phases]]
name = "doors"
duration = "500ms"
arrival_rate = 2000

[[servers]]
name = "edge"
command = ["ngage-edge", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]

[publish]
url = "http://{edge.admin}"
rate = 10
"""
# What an edge can do is not known, but what it is asked for is: to hold no more than so many fans
ENOUGH = '[thresholds]\nfans = ["value<=50"]\n'


def capacity(tmp_path, thresholds, *arguments):
    (tmp_path / "short.toml").write_text(SCENARIO + thresholds)
    return subprocess.run(
        [MOBSIM, "capacity", "short.toml", "--json", "steps.json", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_largest_crowd_is_found_and_every_step_is_told(tmp_path):
    search = capacity(tmp_path, ENOUGH, "--precision", "30%")
    assert search.returncode == 0
    steps = json.loads((tmp_path / "steps.json").read_text())
    told = [(step["load"], step["verdict"]) for step in steps["steps"]]
    assert told == [(20, "pass"), (40, "pass"), (80, "threshold"), (60, "threshold"), (50, "pass")]
    assert (steps["largest"], steps["failed"], steps["verdict"]) == (50, 60, "pass")
    lines = search.stdout.splitlines()
    assert [line.partition(",")[0] for line in lines[:-1]] == [
        f"{load} fans: {verdict}" for load, verdict in told
    ]
    assert "fans value<=50: it was 80" in lines[2]
    assert lines[-1] == "Capacity: 50 fans"


@pytest.mark.parametrize(
    ("thresholds", "arguments", "code"),
    [
        (ENOUGH, ("--from", "51"), 99),
        (ENOUGH, ("--vary", "rate", "--from", "5", "--to", "10"), 0),
        ("", (), 2),
        (ENOUGH, ("--precision", "0"), 2),
        (ENOUGH, ("--from", "30", "--to", "20"), 2),
    ],
)
def test_exit_codes(tmp_path, thresholds, arguments, code):
    assert capacity(tmp_path, thresholds, *arguments).returncode == code
