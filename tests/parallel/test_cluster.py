"""Screening on a real Dask cluster, whose workers are killed; and files that describe clusters."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from asegen.errors import AsegenError, InputError
from asegen.parallel.cluster import cluster, scheduler
from asegen.potentials.engine import find_engine
from asegen.screening.pipeline import run_stages
from asegen.screening.stages.compare import Compare
from asegen.screening.stages.deduplicate import Deduplicate
from asegen.screening.stages.read import Read
from asegen.screening.stages.relax import Relax

sys.path.insert(0, str(Path(__file__).parents[1] / "screening"))
from test_kill import candidates

LOCAL = """
class = "distributed.LocalCluster"
{size}
[options]
n_workers = 0
threads_per_worker = 1
dashboard_address = ":0"
"""


def plain(results: list) -> list[tuple]:
    return [(r.id, r.status, r.rank, r["energy"], r["duplicate_of"]) for r in results]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["workers = 2", "adapt = {minimum = 1, maximum = 2}"])
def test_killed_workers_change_nothing(tmp_path: Path, size: str) -> None:
    candidates(tmp_path / "in.extxyz", 60)
    (tmp_path / "cluster.toml").write_text(LOCAL.format(size=size))
    stages = [Read(), Deduplicate(), Relax(find_engine("emt"), fmax=0.3, steps=60), Compare()]
    alone = run_stages([tmp_path / "in.extxyz"], tmp_path / "alone", stages, jobs=2)
    killed: list[int] = []
    with cluster(tmp_path / "cluster.toml") as force:
        over = threading.Event()

        def kill() -> None:
            while len(killed) < 3 and not over.wait(4):
                processes = force.executor._client.run(os.getpid)
                if processes:
                    killed.append(next(iter(processes.values())))
                    os.kill(killed[-1], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        found = run_stages([tmp_path / "in.extxyz"], tmp_path / "far", stages, workforce=force)
        over.set()
        killer.join()
    assert plain(found) == plain(alone)
    assert killed


@pytest.mark.slow
def test_a_scheduler_that_runs_is_found_by_its_address(tmp_path: Path) -> None:
    from distributed import LocalCluster

    candidates(tmp_path / "in.extxyz", 8)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as running:
        with scheduler(running.scheduler_address) as force:
            found = run_stages([tmp_path / "in.extxyz"], tmp_path / "run", [Read()], workforce=force)
    assert len(found) == 8


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("class = 3", InputError, "lacks `class`"),
        ("workers = 3", InputError, "lacks `class`"),
        (
            'class = "os.system"\n[options]\ncommand = "touch harm"',
            InputError,
            "os.system is no class of Dask clusters",
        ),
        ('class = "pathlib.Path"', InputError, "is no class of Dask clusters"),
        ('class = "distributed.Client"', InputError, "is no class of Dask clusters"),
        *((f'class = "{name}"', InputError, "is no class") for name in ("", "x", ".x", "..", "a b.c", "os;x.y")),
        ('class = "distributed.LocalCluster"\nworkers = "many"', InputError, "workers = many: a whole number from 1"),
        ('class = "distributed.LocalCluster"\nworkers = -1', InputError, "workers = -1"),
        ('class = "distributed.LocalCluster"\nworkers = 10_000_000', InputError, "workers = 10000000"),
        ('class = "distributed.LocalCluster"\nworkers = true', InputError, "workers = True"),
        ('class = "distributed.LocalCluster"\nadapt = 3', InputError, "adapt has to be a table"),
        ('class = "distributed.LocalCluster"\noptions = [1]', InputError, "options has to be a table"),
        ('class = "distributed.LocalCluster"\n[adapt]\nmaximum = "all"', InputError, "adapt.maximum = all"),
        ('class = "a.B"\nnodes = 3', InputError, "unknown entries: nodes"),
        ("class = [", InputError, "cannot read"),
        ('class = "no_such_package.Cluster"', AsegenError, "is not installed"),
        ('class = "distributed.NoSuchCluster"', InputError, "is no class of Dask clusters"),
        ('class = "distributed.LocalCluster"\n[options]\nwidth = 3', InputError, "refuses its options"),
    ],
)
def test_nonsense_is_one_line(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / "cluster.toml").write_text(text)
    with pytest.raises(error, match=message), cluster(tmp_path / "cluster.toml"):
        pass
    assert not Path("harm").exists()
