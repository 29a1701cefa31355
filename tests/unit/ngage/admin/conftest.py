"""A stage with the server API, and an event that is live."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.helpers.event_api import Api
from tests.helpers.interaction import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    started = Stage(tmp_path, chat_rate="0", vote_rate="0", command_rate="0")
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def api(stage: Stage) -> AsyncIterator[Api]:
    opened = Api(stage, stage.events)
    await opened.result("event_create", id="show", title="The show")
    await opened.result("event_phase", id="show", phase="live")
    yield opened
    await opened.http.aclose()
