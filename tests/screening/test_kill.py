"""Whatever is killed, whenever: the same command ends with the results of a run that nobody touched."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from asegen.cli.main import main
from asegen.errors import AsegenError
from asegen.screening.ledger import funnel

METALS = ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")


def candidates(path: Path, n: int) -> None:
    """Random alloys on a rattled fcc lattice; every tenth is a copy of another, or broken."""
    rng = np.random.default_rng(0)
    frames: list[Atoms] = []
    for k in range(n):
        atoms = bulk("Cu", "fcc", a=float(rng.uniform(3.6, 4.1)), cubic=True)
        atoms.symbols[:] = rng.choice(METALS, 4)
        atoms.rattle(0.1, rng=rng)
        if k % 10 == 3:
            atoms = frames[k - 2].copy()
        if k % 10 == 7:
            atoms.positions[0] = np.nan
        frames.append(atoms)
    write(path, frames)


COMMAND = [sys.executable, "-m", "asegen.cli.main"]


def arguments(folder: Path, workdir: str, jobs: int = 2) -> list[str]:
    given = ["screen", str(folder / "in.extxyz"), "--workdir", str(folder / workdir), "--jobs", str(jobs)]
    given += ["--fmax", "0.3", "--steps", "60"]
    return [*given, "--calculator", "emt", "--relaxer", "none", "--stages", "dedup,symmetrise,relax,compare"]


def table(workdir: Path) -> list[dict[str, str]]:
    """The results without times."""
    rows = list(csv.DictReader((workdir / "results.csv").open()))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def workers(process: int) -> list[int]:
    """The children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == process:
                found.append(int(entry.name))
    return found


def kill_something(process: subprocess.Popen, choice: random.Random) -> None:
    """The run's own process, or one of its workers."""
    children = workers(process.pid)
    target = choice.choice([process.pid, *children, *children])
    try:
        os.kill(target, signal.SIGKILL)
    except ProcessLookupError:
        pass


def killed_and_done(folder: Path, kills: int, longest: float) -> tuple[int, list[dict[str, str]]]:
    """How many signals found their aim, and the results in the end."""
    choice, sent = random.Random(1), 0
    while True:
        command = [*COMMAND, *arguments(folder, "killed")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while sent < kills and process.poll() is None:
            time.sleep(choice.uniform(0.2, longest))
            if process.poll() is None:
                kill_something(process, choice)
                sent += 1
        _, error = process.communicate(timeout=300)
        if process.returncode == 0:
            return sent, table(folder / "killed")
        assert process.returncode == -signal.SIGKILL, error.decode()


def screened(folder: Path, n: int) -> list[dict[str, str]]:
    """The results of a run that nobody touches."""
    candidates(folder / "in.extxyz", n)
    main(arguments(folder, "whole", 1))
    return table(folder / "whole")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    """A folder of 12 candidates, and their results."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, screened(folder, 12)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers in /proc")
def test_kills_change_nothing(whole: tuple[Path, list[dict[str, str]]]) -> None:
    folder, expected = whole
    sent, found = killed_and_done(folder, 2, 4.0)
    assert found == expected and sent >= 1
    assert {"ok", "duplicate", "rejected"} <= {row["status"] for row in found}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers in /proc")
def test_many_kills_change_nothing(tmp_path: Path) -> None:
    expected = screened(tmp_path, 200)
    sent, found = killed_and_done(tmp_path, 20, 3.0)  # often enough for a fast machine, too
    assert found == expected and sent >= 10


def test_two_runs_share_one_folder(whole: tuple[Path, list[dict[str, str]]], forked: Callable[..., Any]) -> None:
    folder, expected = whole
    both = [forked(arguments(folder, "shared", 1)) for _ in range(2)]
    assert [process.end()[0] for process in both] == [0, 0]
    assert table(folder / "shared") == expected


def _relaxing(workdir: Path) -> bool:
    """Whether one relaxation is done."""
    try:
        return funnel(workdir)[-1].seconds > 0 and funnel(workdir)[-1].stage == "relax"
    except (AsegenError, IndexError):
        return False


def test_a_warning_signal_lets_work_in_progress_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Callable[..., Any]
) -> None:
    frames = [bulk("Cu", "fcc", a=3.5 + 0.03 * k, cubic=True) for k in range(5)]
    for k, atoms in enumerate(frames):
        atoms.rattle(0.2, seed=k)
    write(tmp_path / "in.extxyz", frames)
    given = arguments(tmp_path, "run", 1)
    given[given.index("emt")] = "faulty:Slow"
    given[-1] = "relax"
    given[given.index("0.3")] = "0.1"
    monkeypatch.syspath_prepend(Path(__file__).parent)  # which workers get, too
    process = forked(given)
    while process.is_alive and not _relaxing(tmp_path / "run"):
        time.sleep(0.1)
    process.send(signal.SIGTERM)
    code, error = process.end()
    assert code == 143
    assert error.splitlines()[-1] == "asegen: terminated" and "stopping" in error and "Traceback" not in error
    relaxed = funnel(tmp_path / "run")[-1]
    assert relaxed.stage == "relax" and 0 < relaxed.waiting < 5
    main(given)
    assert {row["status"] for row in table(tmp_path / "run")} <= {"ok", "unconverged"}
