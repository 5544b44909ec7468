"""One pool of worker processes for all commands that tests here run in process, and processes that import nothing."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context

import pytest

from asegen.cli.main import main


@pytest.fixture(scope="session", autouse=True)
def workers(one_pool: None) -> None:
    """See `one_pool`."""


@pytest.fixture(scope="session")
def forked() -> Callable[..., "Forked"]:
    """Starts a command, see `Forked`."""
    if not hasattr(os, "fork"):
        pytest.skip("no forks here")
    return Forked


class Forked:
    """A command in a fork of the tests' process: signals, full disks and closed pipes, but not seconds of imports.

    Commands that start worker processes are none for it: a fork shares their pool with the tests.

    Args:
        arguments: after `asegen`.
        stdout: a descriptor; the null device without it.
        before: called in the fork first.
    """

    def __init__(
        self, arguments: Sequence[str], stdout: int | None = None, before: Callable[[], object] = lambda: None
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = get_context("fork").Process(target=self._run, args=(arguments, stdout, before))
        self._process.start()

    def _run(self, arguments: Sequence[str], stdout: int | None, before: Callable[[], object]) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY) if stdout is None else stdout, 1)
        os.dup2(self._errors.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
        before()
        main(arguments)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, kill: signal.Signals) -> None:
        os.kill(self._process.pid, kill)

    def end(self) -> tuple[int, str]:
        """Waits for it; its exit code, negative after a signal that it didn't catch, and what it said on stderr."""
        self._process.join(60)
        assert not self._process.is_alive()
        with self._errors:
            self._errors.seek(0)
            return self._process.exitcode, self._errors.read()
