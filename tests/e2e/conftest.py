import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from atelier import Atelier  # noqa: E402


# A time-out ends pytest by SIGTERM: leave through the fixtures, so that nothing stays behind.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


@pytest.fixture(scope="module")
def house():
    """One private Atelier instance a test file: the tests in it build on each other."""
    instance = Atelier()
    try:
        yield instance
    finally:
        instance.remove()
