"""The player's page in a browser: the frames it shows, and that they go on."""

from itertools import pairwise

MEDIA, AUDIO, KEY = 2, 64, 1
# Where each player is, in seconds.
POSITION = {"mse": "document.querySelector('video').currentTime", "webcodecs": "ngage.mediaTime"}


def address(daemon):
    return f"http://{daemon.public[0]}:{daemon.public[1]}/"


def look(page, count):
    """The next frames shown; awaited, so a picture that stands ends in the test's timeout."""
    return page.evaluate("(count) => look(count)", count)


def until(page, condition):
    page.evaluate(f"() => until(() => {condition})")


def changed(one, other):
    """How many of the pixels looked at differ by more than noise."""
    return sum(abs(a - b) > 20 for a, b in zip(one["pixels"], other["pixels"], strict=True))


def assert_moves_on(frames):
    """A busy browser calls back twice for one picture; it never goes back in time."""
    times = [frame["time"] for frame in frames]
    assert times == sorted(times)
    assert len(set(times)) > len(times) // 2


def assert_plays(frames):
    assert_clock_runs(frames)
    assert changed(frames[0], frames[-1]) > 20


def assert_clock_runs(frames):
    """In the picture, whatever its size, and in the player."""
    assert_moves_on(frames)
    assert frames[0]["currentTime"] < frames[-1]["currentTime"]
    clocks = [frame["clock"] for frame in frames]
    assert None not in clocks
    # A canvas may get a picture newer than the callback's: then the next one is the same.
    assert all(a <= b for a, b in pairwise(clocks))
    assert clocks[0] < clocks[-1]


class Skip:
    """Between page and server: leaves out pictures up to a key frame, as a server does for who is
    slow. `groups`: how many key frames are still to be passed over."""

    def __init__(self):
        self.groups = 0

    def relay(self, line):
        server = line.connect_to_server()

        def forward(message):
            if self.groups and message[0] == MEDIA:
                if message[1] != AUDIO and message[2] & KEY:
                    self.groups -= 1
                if self.groups:
                    return
            line.send(message)

        server.on_message(forward)
