"""The Autobahn cases against the echo, which runs on the parser and the writer of production.

CONFORMANCE names the runner, which installs the suite; TIER picks the cases (quick by default).
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers.daemon import Daemon

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / os.environ.get("CONFORMANCE", "../shared/tools/conformance.sh")
TIER = os.environ.get("TIER", "quick")


@pytest.mark.conformance
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not RUNNER.exists(), reason=f"no conformance runner at {RUNNER}")
def test_autobahn() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    with Daemon("--echo") as edge:
        run = subprocess.run(
            [str(RUNNER), f"{edge.url}/echo", "--tier", TIER, "--require-deflate"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.fullmatch(r"\d+ passed, 0 failed", run.stdout.splitlines()[-1])
