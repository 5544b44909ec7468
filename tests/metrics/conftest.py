"""One pool of worker processes for all tests here."""

from collections.abc import Callable, Iterator

import pytest

from asegen.parallel.processes import Processes


@pytest.fixture(scope="session", autouse=True)
def evaluation_pool(lasting_workers: Callable[[int], Processes]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asegen.metrics.evaluation.Processes", lasting_workers)
        yield
