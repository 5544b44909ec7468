"""Worker processes that may crash, hang or eat memory without harm to the others, behind `concurrent.futures.Executor`.

A stock `ProcessPoolExecutor` ends with the first worker that dies, and cannot tell which task took it down. Here every
worker has a thread of its own that waits for it: whatever happens to the worker happens to the one task that it has.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from asegen.errors import AsegenError
from asegen.parallel.limits import allow_time_limits

_CRASHES = {-getattr(signal, name) for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE")}
_START_SECONDS = 120.0
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")}


class WorkerDied(Exception):
    """A worker process ended while it had a task.

    Attributes:
        exit_code: minus the signal's number, or what it exited with.
        crashed: whether the process brought itself down; else it was killed from outside.
    """

    def __init__(self, exit_code: int) -> None:
        try:
            how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
        except ValueError:
            how = f"signal {-exit_code}"
        super().__init__(f"the worker process ended with {how}")
        self.exit_code = exit_code
        self.crashed = exit_code in _CRASHES or exit_code >= 0


class Processes(Executor):
    """A fixed number of single-threaded worker processes, each replaced when it dies.

    A function that is submitted may have an attribute `seconds`: its worker is killed after so long, and the future
    raises TimeoutError. A future whose worker died raises `WorkerDied`.

    Args:
        jobs: number of processes.
        memory: bytes that each may allocate, where the system can limit that; None for no limit.
        log: file that takes what workers and their libraries print; thrown away without it.
    """

    def __init__(self, jobs: int, memory: int | None = None, log: Path | None = None) -> None:
        self.jobs = jobs
        self._memory, self._log = memory, log
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers: set[_Worker] = set()
        self._closed = self._killed = False
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(jobs)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedules `fn(*args, **kwargs)`; all of them must be picklable."""
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._tasks.put((future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the workers once their tasks, or all tasks, are done."""
        with self._lock:
            if not self._closed:
                self._closed = True
                if cancel_futures:
                    self._cancel()
                for _ in self._threads:
                    self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill(self) -> None:
        """Ends everything now; futures that aren't done are cancelled or raise `WorkerDied`."""
        with self._lock:
            self._closed = self._killed = True
            self._cancel()
            for _ in self._threads:
                self._tasks.put(None)
            for worker in self._workers:
                worker.end()

    def _cancel(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None and task[0].cancel():
                    task[0].set_running_or_notify_cancel()  # else whoever waits for it would do so for ever

    def _serve(self) -> None:
        """What each thread does: one worker, one task at a time."""
        worker: _Worker | None = None
        try:
            while (task := self._tasks.get()) is not None:
                future, call = task
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    worker = worker or self._start()
                    future.set_result(worker.call(call))
                except (WorkerDied, TimeoutError) as error:
                    self._drop(worker)
                    worker = None
                    future.set_exception(error)
                except BaseException as error:
                    future.set_exception(error)
        finally:
            self._drop(worker)

    def _start(self) -> _Worker:
        worker = _Worker(self._memory, self._log)
        with self._lock:
            self._workers.add(worker)
            if self._killed:  # meanwhile
                worker.end()
        return worker

    def _drop(self, worker: _Worker | None) -> None:
        if worker is not None:
            with self._lock:
                self._workers.discard(worker)
            worker.close()


class _Worker:
    """One process: a fresh interpreter, so that neither threads nor the user's main script are in its way."""

    def __init__(self, memory: int | None, log: Path | None) -> None:
        ours, theirs = socket.socketpair()
        with theirs, open(log or os.devnull, "ab") as output:
            code = "from asegen.parallel.processes import serve; serve()"
            command = [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"]
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(memory or 0)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | _ONE_THREAD,
                start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle; its children are killable
            )
        self._line = Connection(ours.detach())
        if not self._line.poll(_START_SECONDS):
            self.close()
            raise AsegenError("worker processes cannot be started")
        self._receive()

    def call(self, task: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> Any:
        """The function's result, or its exception raised here."""
        data = pickle.dumps(task)
        try:
            self._line.send_bytes(data)
        except OSError:
            raise WorkerDied(self._ended()) from None
        seconds: float | None = getattr(task[0], "seconds", None)
        if not self._line.poll(seconds):
            raise TimeoutError(f"more than {seconds:g} s")
        good, value = self._receive()
        if good:
            return value
        raise value

    def _receive(self) -> Any:
        try:
            return self._line.recv()
        except (EOFError, OSError):
            raise WorkerDied(self._ended()) from None

    def _ended(self) -> int:
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.end()
            return self.process.wait()

    def end(self) -> None:
        """Kills the process and what it has started."""
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.end()
        self.process.wait()
        self._line.close()


def serve() -> None:
    """What a worker process runs."""
    descriptor, memory = map(int, sys.argv[1:])
    os.set_inheritable(descriptor, False)
    line = Connection(descriptor)
    for interruption in (signal.SIGINT, signal.SIGTERM):  # a batch system's warning goes to all: the parent drains
        signal.signal(interruption, signal.SIG_IGN)
    allow_time_limits()
    if memory:
        _limit_memory(memory)
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    line.send(True)
    while True:
        try:
            data = line.recv_bytes()
        except (EOFError, OSError):
            return
        _send(line, *_done(data))


def _done(data: bytes) -> tuple[bool, Any]:
    try:
        function, args, kwargs = pickle.loads(data)
        return True, function(*args, **kwargs)
    except Exception as error:
        return False, error


def _send(line: Connection, good: bool, value: Any) -> None:
    try:
        data = pickle.dumps((good, value))
        pickle.loads(data)  # exceptions with arguments of their own may fail only here
    except Exception as error:
        data = pickle.dumps((False, RuntimeError(f"{type(value).__name__} cannot be sent: {error}")))
    line.send_bytes(data)


def _limit_memory(memory: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _end_with(parent: int) -> None:
    """A killed parent cannot tell its workers; a worker that is busy doesn't see the closed line either."""
    watch = threading.Event()
    while os.getppid() == parent:
        watch.wait(0.5)
    os.killpg(0, signal.SIGKILL)
