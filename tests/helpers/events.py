"""An edge with events, for the tests of their pages.

Between page and server everything can be held back or cut, so that no server has to misbehave.
"""

import itertools
import json

SOCKET = "**/connection/websocket"
SCREENS = {"phone": (390, 844), "desk": (1280, 800)}
_numbers = itertools.count(1)


class Event:
    """One event of a test's own, live."""

    def __init__(self, backend, title="Night of the Stars", video=None):
        self.backend = backend
        self.id = f"event-{next(_numbers)}"
        made = backend.do("event_create", {"id": self.id, "title": title, "video": video})
        self.url, self.host_url = made["audience_url"], made["host_url"]
        self.stage_url = self.url.replace("/e/", "/stage/")
        self.backend.do("event_phase", {"id": self.id, "phase": "live"})

    def api(self, method, **body):
        name = "id" if method.startswith("event_") else "event"
        return self.backend.do(method, {name: self.id, **body})

    def poll(
        self, title="Which song?", choices=("Northern Lights", "Paper Planes"), at_us=None, **more
    ):
        """A poll that is open: its number."""
        made = self.api("poll_create", title=title, choices=list(choices), **more)
        self.api("poll_open", poll=made["poll"]["id"], at_us=at_us)
        return made["poll"]["id"]


class Line:
    """The connection between a page and its server. `sent`: what the page asked by rpc."""

    def __init__(self):
        self.sent = []
        self.routes = []
        self.holds = lambda method: False

    def prepare(self, page):
        page.route_web_socket(SOCKET, self._relay)

    def votes(self):
        return [data for method, data in self.sent if method == "poll.vote"]

    def cut(self, code=3004):
        """Close it as a server may: 3004 asks to come back."""
        self.routes[-1].close(code=code, reason="cut")

    def _relay(self, route):
        self.routes.append(route)
        server = route.connect_to_server()
        held = set()

        def ask(text):
            for line in text.splitlines():
                command = json.loads(line)
                if "rpc" in command:
                    self.sent.append((command["rpc"]["method"], command["rpc"]["data"]))
                    if self.holds(command["rpc"]["method"]):
                        held.add(command["id"])
            server.send(text)

        def answer(text):
            lines = [one for one in text.splitlines() if json.loads(one).get("id") not in held]
            if lines:
                route.send("\n".join(lines))

        route.on_message(ask)
        server.on_message(answer)


def sized(screen):
    """What prepares a page for a screen."""

    def prepare(page):
        width, height = SCREENS[screen]
        page.set_viewport_size({"width": width, "height": height})

    return prepare
