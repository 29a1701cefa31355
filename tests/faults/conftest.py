"""What every row of the catalogue has beside its fault: good clients, who must miss nothing."""

from collections.abc import Iterator

import pytest

from tests.helpers.daemon import Daemon
from tests.helpers.raw import GoodClients


@pytest.fixture
def good(edge: Daemon) -> Iterator[GoodClients]:
    """Subscribers of the module's edge, checked when the test is over."""
    with GoodClients(edge) as clients:
        yield clients
        clients.check()
