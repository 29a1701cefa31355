"""The metrics as Prometheus scrapes them."""

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ngage.errors import StartError
from ngage.mob.show.exposition import Exposition
from tests.helpers import mob


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def exposition():
    with Exposition("127.0.0.1", 0, wanted=19_000) as started:
        yield started


def test_before_the_first_second_there_is_what_was_wanted(exposition):
    assert scrape(exposition.port) == {("mobsim_fans_wanted",): 19_000}


def test_a_scrape_shows_the_last_second_and_the_sums(exposition):
    for second in mob.samplings(seconds=40):
        exposition.update(second, mob.totals(second))
    found = scrape(exposition.port)
    assert found["mobsim_fans_open",] == 19_000
    assert found["mobsim_messages_per_second",] == 190_000
    assert found["mobsim_generator_lag_seconds",] == pytest.approx(second.lag_p99 / 1000)
    assert found["mobsim_messages_received_total",] == 40_000
    assert found["mobsim_latency_seconds", "0.99"] == pytest.approx(0.0064)
    assert found["mobsim_closes_total", "1001"] == 12
    assert all(name.startswith("mobsim_") for name, *_ in found)


def test_stopping_frees_the_port_and_may_be_repeated(exposition):
    port = exposition.port
    exposition.stop()
    exposition.stop()
    with Exposition("127.0.0.1", port, wanted=1) as second:
        assert scrape(second.port) == {("mobsim_fans_wanted",): 1}


def test_an_address_that_is_taken_is_refused_in_one_line(exposition):
    address = f"metrics 127.0.0.1:{exposition.port}: "
    with pytest.raises(StartError, match=f"^{address}[^\n]*; choose another address$"):
        Exposition("127.0.0.1", exposition.port, wanted=1)
