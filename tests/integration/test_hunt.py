"""`mobsim hunt` as a process: it finds a bug that shows once in a million deliveries.

The bugs are planted in builds of the edge's core (src/ngage_core/include/ng_plant.h): one leaves
out a publication, the other lets two change places.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ngage.mob.scenario.file import load

ROOT = Path(__file__).parents[2]
CORE = Path("src/ngage_core")
MOBSIM = str(Path(sys.executable).with_name("mobsim"))

# 1,800 lurkers and 200 others get 500 publications a second: a million deliveries take 1.1 s, and
# there are three times as many, for machines that are busy.
# Neither the others nor the stimulus have a part in it.
SCENARIO = """
[mob]
name = "million"
fans = 2000
target = "ws://{{edge}}/ws/stage:main"
max_lag = "60s"

[[phases]]
name = "doors"
duration = "500ms"
arrival_rate = 8000

[[phases]]
name = "show"
duration = "3s"

[personas.lurker]
weight = 9

[personas.flapper]

[[stimuli]]
at = "1s"
event = "some leave"
[stimuli.react]
persona = "flapper"
p = 0.1
delay = {{ dist = "constant", value = "0s" }}
do = "leave"

[[servers]]
name = "edge"
command = [
    "ngage-edge", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shards", "1",
    "--config", "{{config}}",
]
config = '''
[channels."stage:main"]
lag = "reliable"
'''
environment = {{ PYTHONPATH = "{core}" }}

[publish]
url = "http://{{edge.admin}}"
rate = 25
burst = 20
"""


def build(plant: str) -> Path:
    """A core with this bug in a directory of its own; quick if it is there already."""
    place = Path("build") / f"plant-{plant}"
    subprocess.run(
        [
            *(sys.executable, "setup.py", "-q", "build_ext"),
            *("--build-lib", str(place / "lib"), "--build-temp", str(place / "temp")),
        ],
        cwd=ROOT,
        env={**os.environ, "NGAGE_PLANT": plant},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    library = ROOT / place / "lib"
    for source in (ROOT / CORE).glob("*.py"):
        shutil.copy(source, library / CORE.name)
    return library


def mobsim(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MOBSIM, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer's crowd is too slow for it")
@pytest.mark.timeout(200)
@pytest.mark.parametrize("plant", ["drop", "swap"])
def test_a_planted_bug_is_found_shrunk_and_replayed(plant, tmp_path):
    core = build(plant)
    (tmp_path / "million.toml").write_text(SCENARIO.format(core=core))
    hunt = mobsim(
        *("hunt", "million.toml", "--runs", "1", "--fans", "2000", "--shrink", "3"), cwd=tmp_path
    )
    (finding,) = tmp_path.glob("finding-*.toml")
    assert hunt.returncode == 3
    assert finding.read_text() in hunt.stdout

    scenario = load(finding)
    assert (scenario.stimuli, len(scenario.personas)) == ((), 1)

    replay = mobsim("run", finding.name, "--plain", "--json", "replay.json", cwd=tmp_path)
    result = json.loads((tmp_path / "replay.json").read_text())
    messages = result["messages"]
    assert replay.returncode == 3
    assert messages["gaps"] == (result["violation_count"] if plant == "drop" else 0)
    assert messages["reordered"] == (0 if plant == "drop" else result["violation_count"] // 2)

    (line,) = (line for line in finding.read_text().splitlines() if str(core) in line)
    finding.write_text(finding.read_text().replace(line, ""))
    assert mobsim("run", finding.name, "--plain", cwd=tmp_path).returncode == 0


async def test_an_interrupted_hunt_ends_in_order(tmp_path):
    hunt = await asyncio.create_subprocess_exec(
        *(MOBSIM, "hunt", "tunnel", "--fans", "10", "--corpus", "corpus"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    assert hunt.stdout
    assert (await hunt.stdout.readline()).startswith(b"run 1: tunnel, 10 fans: ")
    hunt.send_signal(signal.SIGINT)
    rest = (await hunt.stdout.read()).splitlines()
    assert await hunt.wait() == 130
    assert rest[-1].startswith(b"1 runs and 0 to shrink, 0 could not be made, 1 in the corpus;")
    assert len(list((tmp_path / "corpus").glob("*.toml"))) == 1
    assert list(tmp_path.glob("finding-*")) == []
