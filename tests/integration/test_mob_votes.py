"""A crowd that votes, and a tally that is right or is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.mobsim import Ended, mobsim
from tests.helpers.polling_place import POLL, PollingPlace, polling_place
from tests.helpers.tickets import SECRET

SCENARIO = """
[mob]
name = "vote"
fans = 300
seed = 5
target = "{target}"
secret = "{secret}"
max_lag = "10s"

[[phases]]
name = "all"
duration = "3s"
arrival_rate = 600

[poll]
number = {poll}
tally = "{tally}"
choices = 4
opens = "500ms"
closes = "2s"

[personas.voter]
like = "voter"
weight = 8
states.again.think = {{ dist = "constant", value = "300ms" }}

[personas.cheater]
like = "cheater"
states.watch.think = {{ dist = "uniform", low = "0s", high = "1s" }}

[personas.reactor]

[[stimuli]]
at = "1s"
event = "last call"
[stimuli.react]
persona = "voter"
p = 1
do = "vote"
delay = {{ dist = "uniform", low = 0, high = 1 }}

[thresholds]
vote_ms = ["p(99)<5000"]
votes_lost = ["count==0"]
votes_doubled = ["count==0"]
votes_unanswered = ["count==0"]
votes = ["value>240"]
"""


def run(tmp_path: Path, spoil: Callable[[PollingPlace], None] = lambda place: None) -> Ended:
    with polling_place(tmp_path / "7.votes") as (place, tally):
        spoil(place)
        file = tmp_path / "vote.toml"
        file.write_text(
            SCENARIO.format(target=place.target, secret=SECRET.hex(), poll=POLL, tally=tally)
        )
        return mobsim("run", str(file))


def test_a_right_tally_passes(tmp_path: Path) -> None:
    ended = run(tmp_path)
    assert ended.code == 0, ended.out
    votes = ended.result["votes"]
    assert votes["sent"] == votes["acknowledged"] >= votes["counted"] >= 240
    assert (votes["lost"], votes["doubled"]) == (0, 0)
    assert ended.result["voting"]["cheats"] > 10
    assert ended.result["voting"]["ms"]["count"] == votes["acknowledged"]
    assert sum(ended.result["voting"]["counts"]) == votes["counted"]
    assert "acknowledged" in ended.out


def test_a_wrong_tally_is_a_violation(tmp_path: Path) -> None:
    def spoil(place: PollingPlace) -> None:
        place.wrong = [0, 40, -40, 0]

    ended = run(tmp_path, spoil)
    assert ended.code == 3, ended.out
    assert {one["kind"] for one in ended.result["violations"]} == {"vote_lost", "vote_doubled"}
    assert ended.result["votes"]["lost"] > 0


@pytest.mark.parametrize(
    ("secret", "code", "closes"), [(SECRET, 0, {}), (b"x" * 32, 99, {"403": 20})]
)
def test_a_quick_crowd_shows_tickets_of_a_secret(
    tmp_path: Path, secret: bytes, code: int, closes: dict[str, int]
) -> None:
    with polling_place(tmp_path / "7.votes") as (place, _):
        options = ["--target", place.target, "--fans", "20", "--duration", "0.3s"]
        ended = mobsim("quick", *options, "--secret", secret.hex())
    assert (ended.code, ended.result["closes"]) == (code, closes), ended.out


def test_a_tally_needs_a_poll() -> None:
    ended = mobsim("run", "tunnel", "--tally", "http://127.0.0.1:1/tally")
    assert ended.code == 2
    assert "tunnel has no poll" in ended.errors
