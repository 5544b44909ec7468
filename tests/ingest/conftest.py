"""One pool of worker processes for all tests here."""

from collections.abc import Callable, Iterator

import pytest

from asegen.parallel.processes import Processes


@pytest.fixture(scope="session", autouse=True)
def one_pool(lasting_workers: Callable[[int], Processes]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asegen.parallel.timed_map.Processes", lasting_workers)
        yield
