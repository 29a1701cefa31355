"""The console's page and its parts, as the admin listener serves them."""

import re

import httpx
import pytest
from starlette.applications import Starlette

from ngage.admin.failures import Failure
from ngage.admin.host_page import host_routes


async def _failure(_, failure):
    return failure.response()


@pytest.fixture
def client():
    app = Starlette(routes=host_routes(), exception_handlers={Failure: _failure})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def test_the_console_comes_with_its_parts_and_in_no_frame(client):
    page = await client.get("/host/gala")
    assert page.status_code == 200
    assert '<body data-event="gala">' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    named = re.findall(r'(?:href|src)="(/[^"#]+)', page.text)
    assert "/host/main.js" in named
    for path in named:
        assert (await client.get(path)).status_code == 200, path


@pytest.mark.parametrize("name", ["Gala", "a.b", "a" * 41, "%3Cscript%3E"])
async def test_what_is_no_event_has_no_console(client, name):
    assert (await client.get(f"/host/{name}")).status_code == 404


async def test_a_code_of_any_text(client):
    code = await client.get("/qr.svg", params={"text": "https://live.example/e/gala"})
    assert code.headers["content-type"] == "image/svg+xml"
    assert code.text.startswith("<svg")
    assert (await client.get("/qr.svg")).status_code == 400
