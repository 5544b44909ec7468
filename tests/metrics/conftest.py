"""Worker processes that serve many tests, since each start takes seconds; tests/parallel has how they start and end."""

from collections.abc import Callable, Iterator

import pytest

from asegen.parallel.processes import Processes


class Lasting(Processes):
    """Processes that outlive whoever is done with them."""

    def kill(self) -> None:
        pass

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


@pytest.fixture(scope="session", autouse=True)
def lasting_workers() -> Iterator[Callable[[int], Processes]]:
    """Makes a pool of so many processes, or gives the one that there is."""
    pools: dict[int, Lasting] = {}

    def pool(jobs: int) -> Processes:
        return pools.setdefault(jobs, Lasting(jobs))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asegen.metrics.evaluation.Processes", pool)
        yield pool
    for lasting in pools.values():
        Processes.kill(lasting)
        Processes.shutdown(lasting)
