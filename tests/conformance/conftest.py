"""Which platform the suite is run on: ATELIER_TEST_PLATFORM, one of platforms.py; by default this machine."""
import contextlib
import os
import pathlib
import signal
import sys

import pytest

tests = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(tests / "e2e"), str(tests / "kubernetes"), str(tests / "conformance")]
import asking  # noqa: E402
import platforms  # noqa: E402

PLATFORM = {"local": platforms.Local, "rootless": platforms.Rootless, "kwok": platforms.Kwok, "node": platforms.Node}[os.environ.get("ATELIER_TEST_PLATFORM", "local")]

# A time-out ends pytest by SIGTERM: leave through the fixtures, so that nothing stays behind. A plain sys.exit would be one failed test.
signal.signal(signal.SIGTERM, lambda number, frame: pytest.exit("ended by a signal", 128 + number))


def pytest_collection_modifyitems(config, items):
    """Takes out what the platform cannot show; the main job, whose first step is an empty platform, comes first."""
    def is_unfit(item):
        return (item.get_closest_marker("real_pods") and not PLATFORM.real_pods) or any(
            PLATFORM.name not in mark.args for mark in item.iter_markers("only_on"))

    def turn(item):
        """What waits for a quiet minute comes last: it has passed by then."""
        ours = item.path.parent.name == "conformance" and item.path.name != "test_main_job.py"
        return 2 if "quiet" in item.fixturenames else int(ours)

    config.hook.pytest_deselected(items=[item for item in items if is_unfit(item)])
    items[:] = sorted((item for item in items if not is_unfit(item)), key=turn)


@contextlib.contextmanager
def started():
    instance = PLATFORM()
    try:
        yield instance
    finally:
        instance.close()


@pytest.fixture(scope="module")
def house():
    """One private platform, not yet started: the steps of the main job build on each other."""
    with started() as instance:
        yield instance


@pytest.fixture(scope="session")
def platform():
    """One with alice, who has a profile, and bob, carol and dave, who have none."""
    with started() as instance:
        instance.up()
        for name in ("alice", "bob", "carol", "dave"):
            instance.add_user(f"{name}@example.com")
        instance.cli("profile", "create", "alice", user="alice@example.com")
        instance.wait_profile("alice", "alice@example.com")
        instance.quiet = asking.watch_in_quiet(instance)
        yield instance


@pytest.fixture
def quiet(platform):
    """The version of a list and a watch from there on, on which nothing has happened since the platform was new."""
    return platform.quiet
