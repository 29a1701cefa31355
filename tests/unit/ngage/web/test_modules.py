"""The modules of the pages that need no page, by node's own test runner."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE_MIN = 20


@pytest.fixture(scope="module")
def node():
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    if int(re.match(r"v(\d+)", version.stdout)[1]) < NODE_MIN:
        pytest.skip(f"node {NODE_MIN} or later is needed")
    return found


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda file: file.stem)
def test_module(node, file):
    run = subprocess.run([node, "--test", file], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
