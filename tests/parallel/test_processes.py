"""Workers that crash, hang, eat memory or are killed cost the one task that they have."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError, wait
from functools import partial

import pytest

from asegen.parallel.limits import time_limit
from asegen.parallel.processes import Processes, WorkerDied


class Limited(partial):
    """A call with a time limit."""

    seconds = 0.3


@pytest.fixture
def pool():
    processes = Processes(2)
    yield processes
    processes.kill()
    processes.shutdown()


def suicide(number: int) -> partial:
    return partial(signal.raise_signal, number)


def test_calls_give_results_and_exceptions_in_other_processes(pool: Processes) -> None:
    assert pool.submit(divmod, 7, 2).result() == (3, 1)
    assert list(pool.map(abs, [-1, 2, -3])) == [1, 2, 3]
    assert pool.submit(os.getpid).result() != os.getpid()
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()
    with pytest.raises(RuntimeError, match="cannot be sent"):
        pool.submit(os.scandir, "/").result()


@pytest.mark.parametrize(
    ("number", "crashed"), [(signal.SIGSEGV, True), (signal.SIGABRT, True), (signal.SIGKILL, False)]
)
def test_a_dead_worker_costs_its_task_alone(pool: Processes, number: int, crashed: bool) -> None:
    calls = [pool.submit(abs, -k) for k in range(5)]
    bad = pool.submit(suicide(number))
    calls += [pool.submit(abs, -k) for k in range(5, 10)]
    with pytest.raises(WorkerDied, match=signal.Signals(number).name) as died:
        bad.result()
    assert died.value.crashed == crashed
    assert [call.result() for call in calls] == list(range(10))


def test_a_worker_killed_from_outside_is_replaced() -> None:
    pool = Processes(1)
    process = pool.submit(os.getpid).result()
    sleeping = pool.submit(time.sleep, 60)
    while not sleeping.running():
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    with pytest.raises(WorkerDied) as died:
        sleeping.result()
    assert not died.value.crashed
    assert pool.submit(abs, -3).result() == 3
    pool.shutdown()


def test_signals_of_a_terminal_or_a_batch_system_leave_workers_alone(pool: Processes) -> None:
    process = pool.submit(os.getpid).result()
    call = pool.submit(time.sleep, 0.3)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(process, number)
    assert call.result() is None
    assert os.getsid(process) != os.getsid(0)


def test_a_call_that_takes_too_long_is_ended(pool: Processes) -> None:
    with pytest.raises(TimeoutError, match=r"more than 0.3 s"):
        pool.submit(Limited(time.sleep, 60)).result()
    assert pool.submit(Limited(abs, -1)).result() == 1


def test_memory_is_limited() -> None:
    processes = Processes(1, memory=1 << 30)
    try:
        with pytest.raises(MemoryError):
            processes.submit(bytearray, 1 << 31).result()
        assert len(processes.submit(bytearray, 1 << 20).result()) == 1 << 20
    finally:
        processes.shutdown()


def test_shutdown_ends_what_is_waiting_and_kill_what_runs(pool: Processes) -> None:
    calls = [pool.submit(time.sleep, 60) for _ in range(4)]
    while not all(call.running() for call in calls[:2]):
        time.sleep(0.01)
    pool.kill()
    wait(calls)
    assert {type(call.exception()) for call in calls[:2]} == {WorkerDied}
    for call in calls[2:]:
        with pytest.raises(CancelledError):
            call.result()
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(abs, 1)


def test_workers_die_with_a_parent_that_is_killed() -> None:
    code = (
        "import os, signal, time\n"
        "from asegen.parallel.processes import Processes\n"
        "pool = Processes(1)\n"
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "pool.submit(time.sleep, 600)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(300):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        if open(f"/proc/{worker}/stat").read().split()[2] == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the worker outlives its parent")


def test_work_inside_is_interrupted_by_the_clock_or_by_processor_time(pool: Processes) -> None:
    code = "from asegen.parallel.limits import OutOfTime, time_limit\nimport time\n"
    code += "try:\n    with time_limit(0.2, {}): {}\nexcept OutOfTime: raise ValueError('interrupted')\n"
    busy = "[None for _ in iter(int, 1)]"
    for processor, work, ends in (
        (False, "time.sleep(60)", True),
        (True, "time.sleep(0.5)", False),
        (True, busy, True),
    ):
        call = pool.submit(exec, code.format(processor, work), {})
        assert isinstance(call.exception(), ValueError) == ends


def test_outside_of_these_workers_the_inner_limit_does_nothing() -> None:
    with time_limit(0.01):
        time.sleep(0.05)
