import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from atelier import private  # noqa: E402


# A time-out ends pytest by SIGTERM: leave through the fixtures, so that nothing stays behind. A plain sys.exit would be one failed test.
signal.signal(signal.SIGTERM, lambda number, frame: pytest.exit("ended by a signal", 128 + number))


@pytest.fixture(scope="module")
def house():
    """One private Atelier instance a test file: the tests in it build on each other."""
    instance = private()
    try:
        yield instance
    finally:
        instance.remove()


@pytest.fixture(scope="module")
def viewed(house):
    """One that runs, with a profile of alice@example.com that carol@example.com may look at."""
    alice, carol = "alice@example.com", "carol@example.com"
    house.up()
    for user in (alice, carol):
        house.add_user(user)
    house.cli("profile", "create", "alice", "--wait", user=alice)
    house.cli("share", "alice", carol, "--role", "viewer", user=alice)
    return house
