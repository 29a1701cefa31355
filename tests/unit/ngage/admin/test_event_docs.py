"""The commands of docs/reference/events.md, run as they stand there."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from ngage.admin.http import create_app
from ngage.admin.server import AdminServer, bind_admin
from ngage.api import Edge
from ngage.lifecycle import Phase
from ngage.settings import Settings
from tests.helpers.interaction import Stage

PAGE = Path(__file__).parents[4] / "docs/reference/events.md"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_the_commands_of_the_reference(tmp_path: Path) -> None:
    [script] = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    stage = Stage(tmp_path)
    await stage.start()
    edge = Edge(Settings(api_key="k"))
    app = create_app(
        edge, lambda: Phase.SERVING, "1", events=lambda: stage.events, secret=b"s" * 32
    )
    with bind_admin("127.0.0.1:0") as listener:
        port = listener.getsockname()[1]
        environment = {"KEY": "k", "ADMIN": f"http://127.0.0.1:{port}", "PATH": "/usr/bin:/bin"}
        async with AdminServer(app, listener):
            run = await asyncio.create_subprocess_exec(
                *("bash", "-eu", "-c", script), env=environment, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await run.communicate()
    await stage.stop()
    assert run.returncode == 0
    lines = output.decode().splitlines()
    [head] = [line for line in lines if line.startswith("voter,")]
    results = [json.loads(line) for line in lines if line and line.strip() != head.strip()]
    assert len(results) == script.count("\napi ")
    assert [result for result in results if "result" not in result] == []
