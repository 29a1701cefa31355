"""The pages against an edge that only remembers what it is told."""

import re

from ngage.pages import serve_pages


class Edge:
    def __init__(self):
        self.pages = {}

    def serve(self, path, body, content_type, headers=None):
        self.pages[path] = body.decode(), content_type, headers or {}


def test_the_page_has_all_that_it_names():
    edge = Edge()
    serve_pages(edge, "live")
    body, content_type, headers = edge.pages["/"]
    assert content_type == "text/html; charset=utf-8"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    named = re.findall(r'(?:href|src)="([^"]+)"', body)
    named += [
        f"/{name}"
        for text, *_ in edge.pages.values()
        for name in re.findall(r'from "\./([^"]+)"', text)
    ]
    assert set(named) | {"/"} == set(edge.pages)


def test_the_page_is_told_its_channel_whatever_that_is_called():
    edge = Edge()
    serve_pages(edge, 'a"b<c')
    assert '<body data-channel="a&quot;b&lt;c">' in edge.pages["/"][0]
