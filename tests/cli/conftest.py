"""One pool of worker processes for all commands that tests here run in process."""

from collections.abc import Callable, Iterator

import pytest

from asegen.parallel.processes import Processes


@pytest.fixture(scope="session", autouse=True)
def workers(one_pool: None, references_read_once: None, lasting_workers: Callable[[int], Processes]) -> Iterator[None]:
    """See `one_pool`; evaluations and relaxations by a calculator have pools of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asegen.metrics.evaluation.Processes", lasting_workers)
        patch.setattr("asegen.calculators.relaxation_run.Processes", lambda jobs, memory: lasting_workers(jobs))
        yield
