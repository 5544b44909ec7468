"""One pool of worker processes for all tests here."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def workers(one_pool: None) -> None:
    """See `one_pool`."""
