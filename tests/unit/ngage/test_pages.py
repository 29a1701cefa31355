"""The pages against an edge that only remembers what it is told."""

import posixpath
import re

import pytest

from ngage.pages import serve_assets, serve_event_pages, serve_pages, unserve_event_pages


class Edge:
    public_url = "http://127.0.0.1:8080"

    def __init__(self):
        self.pages = {}

    def serve(self, path, body, content_type, headers=None):
        self.pages[path] = body.decode(), content_type, headers or {}

    def unserve(self, path):
        return self.pages.pop(path, None) is not None


@pytest.fixture
def edge():
    return Edge()


def needed(edge, path):
    """Everything that a page names, and what that names in turn."""
    waiting, found = [path], set()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text, content_type, _ = edge.pages[path]
        names = re.findall(r'(?:href|src)="(/[^"#?]+)', text)
        if content_type.startswith("text/javascript"):
            names += re.findall(r'from "(\.[^"]+)"', text)
        waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(path), n)) for n in names]
    return found


def test_the_player_has_all_that_it_names(edge):
    serve_pages(edge, "live")
    _, content_type, headers = edge.pages["/"]
    assert content_type == "text/html; charset=utf-8"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert {"/player.js", "/watch.js", "/style.css"} <= needed(edge, "/")


def test_the_page_is_told_its_channel_whatever_that_is_called(edge):
    serve_pages(edge, 'a"b<c')
    assert '<body data-channel="a&quot;b&lt;c">' in edge.pages["/"][0]


def test_the_pages_of_an_event_have_all_that_they_name(edge):
    serve_assets(edge)
    serve_event_pages(edge, "gala", "Gala")
    everything = needed(edge, "/e/gala") | needed(edge, "/stage/gala")
    assert {"/event/main.js", "/stage/main.js", "/shared/icons.svg", "/watch.js"} <= everything
    serve_pages(edge, "live")
    assert set(edge.pages) == everything | needed(edge, "/")


def test_no_page_has_a_script_or_a_style_of_its_own(edge):
    serve_event_pages(edge, "gala", "Gala")
    serve_pages(edge, "live")
    for text, content_type, headers in edge.pages.values():
        assert "unsafe" not in headers["Content-Security-Policy"]
        if content_type.startswith("text/html"):
            assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", text) == []


def test_a_title_is_text(edge):
    serve_event_pages(edge, "gala", "</title><script>{url}")
    assert "<title>&lt;/title&gt;&lt;script&gt;{url}</title>" in edge.pages["/e/gala"][0]


def test_the_stage_shows_where_the_audience_goes(edge):
    serve_event_pages(edge, "gala", "Gala")
    assert ">http://127.0.0.1:8080/e/gala<" in edge.pages["/stage/gala"][0]
    edge.public_url = "https://live.example"
    serve_event_pages(edge, "gala", "Gala")
    assert ">https://live.example/e/gala<" in edge.pages["/stage/gala"][0]
    assert edge.pages["/stage/gala/qr.svg"][1] == "image/svg+xml"


def test_pages_of_an_event_that_is_gone_are_gone(edge):
    serve_event_pages(edge, "gala", "Gala")
    unserve_event_pages(edge, "gala")
    assert [path for path in edge.pages if "gala" in path] == []


def test_the_console_is_not_for_the_public(edge):
    serve_assets(edge)
    assert [path for path in edge.pages if path.startswith("/host")] == []
