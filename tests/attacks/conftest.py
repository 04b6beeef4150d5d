import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import pytest  # noqa: E402

from atelier import Atelier, wait_for  # noqa: E402

ALICE, MALLORY = "alice@example.com", "mallory@example.com"


@pytest.fixture(scope="session")
def two_tenants():
    """A private instance with two profiles, each with a running notebook."""
    house = Atelier()
    try:
        house.up(timeout_s=60)
        for email, profile in ((ALICE, "alice"), (MALLORY, "mallory")):
            house.add_user(email)
            house.cli("profile", "create", profile, user=email)
            house.cli("-n", profile, "notebook", "create", "nb", user=email)
        for email, profile in ((ALICE, "alice"), (MALLORY, "mallory")):
            house.wait_notebook(profile, "nb", email)
        yield house
    finally:
        house.remove()
