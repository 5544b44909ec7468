"""One pool of worker processes for all commands that tests here run in process."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def workers(one_pool: None) -> None:
    """See `one_pool`."""
