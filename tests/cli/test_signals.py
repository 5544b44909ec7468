"""Signals that ask long runs to end in good order."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from asegen.cli.runs.screen import stoppable
from asegen.cli.runs.signals import AskedToStop
from asegen.screening.execution import Stopped

Asked = Callable[[], bool]


class Terminated(Exception):
    """What SIGTERM ends with, as in `asegen.cli.main`."""


def terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def training() -> Iterator[Asked]:
    with AskedToStop() as asked:
        asked()  # the first step is done
        yield asked


@contextmanager
def screening() -> Iterator[Asked]:
    with stoppable(lambda line: None) as stop:
        yield stop.is_set


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: terminate}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("run", [training, screening])
def test_the_first_signal_asks_and_the_second_ends(run: Callable[[], Iterator[Asked]], number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises((KeyboardInterrupt, Terminated)), run() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
        signal.raise_signal(number)
    assert signal.getsignal(number) == before
    with run() as asked:
        pass
    assert not asked() and signal.getsignal(number) == before


@pytest.mark.parametrize("run", [training, screening])
def test_an_ignored_ctrl_c_stays_ignored(run: Callable[[], Iterator[Asked]]) -> None:
    """Jobs in the background of a shell script begin with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with run() as asked:
        signal.raise_signal(signal.SIGINT)
        assert not asked()
        signal.raise_signal(signal.SIGTERM)
        assert asked()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_ctrl_c_before_the_first_step_of_a_training_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt), AskedToStop():
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_screening_that_has_stopped_ends_as_by_the_signal(number: signal.Signals) -> None:
    told: list[str] = []
    with pytest.raises((KeyboardInterrupt, Terminated)), stoppable(told.append):
        signal.raise_signal(number)
        raise Stopped
    assert len(told) == 1 and told[0].startswith("stopping: work in progress has 20 s")
    signal.signal(number, lambda number, frame: None)
    with pytest.raises(SystemExit) as stop, stoppable(told.append):
        signal.raise_signal(number)
        raise Stopped
    assert stop.value.code == 128 + number
