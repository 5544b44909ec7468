"""What all tests share."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of every process that a test starts, too

import numpy as np
import pytest
import torch
from hypothesis import settings

from asegen.parallel.processes import Processes

if TYPE_CHECKING:
    from asegen.data.shards import CrystalDataset
    from asegen.symmetry.analysis import SymmetricCrystal

torch.set_num_threads(1)
os.register_at_fork(after_in_child=faulthandler.disable)  # a worker that a test kills says nothing on the terminal

# The same few examples in every run; `make slow` draws many new ones (--hypothesis-profile=thorough).
settings.register_profile("fast", deadline=None, max_examples=10, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("fast")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With -n alone, a file's tests go to one worker, in the files' order: what its fixtures make is made once."""
    from xdist.scheduler import LoadFileScheduling

    if config.option.dist != "load":  # somebody asked for another
        return None
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All workers of a run share one cache, which isn't the user's."""
    place = tmp_path_factory.getbasetemp()
    if place.name.startswith("popen-"):  # a worker's own, within the run's
        place = place.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real training and test data, where there is one beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def lasting_workers() -> Iterator[Callable[[int], Processes]]:
    """Gives a pool of so many worker processes that serves many tests, since each start takes seconds.

    Whoever closes it finds it open again. How pools really end is tested in tests/parallel.
    """
    pools: dict[int, Lasting] = {}
    yield lambda jobs: pools.setdefault(jobs, Lasting(jobs))
    for pool in pools.values():
        Processes.kill(pool)
        Processes.shutdown(pool)


@pytest.fixture(scope="session")
def one_pool(lasting_workers: Callable[[int], Processes]) -> Iterator[None]:
    """Whatever is mapped over worker processes here shares one pool of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asegen.parallel.timed_map.Processes", lasting_workers)
        yield


@pytest.fixture(scope="session")
def references_read_once() -> Iterator[None]:
    """Every screening above a hull reads 752 crystals, which takes it a second; nothing here changes them."""
    from asegen.potentials import references

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "reference_crystals", cache(references.reference_crystals))
        yield


class Lasting(Processes):
    """Worker processes that outlive whoever is done with them."""

    def kill(self) -> None:
        pass

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


@pytest.fixture(scope="session")
def forked() -> Callable[..., Forked]:
    """Starts a command, see `Forked`."""
    if not hasattr(os, "fork"):
        pytest.skip("no forks here")
    return Forked


class Forked:
    """A command in a fork of the tests' process: signals, full disks and closed pipes, but not seconds of imports.

    Under `one_pool` commands that map over worker processes are none for it: a fork shares the pool with the tests.

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
        from asegen.cli.main import main

        main(arguments)

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, kill: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self._process.is_alive():
            os.kill(self._process.pid, kill)

    def end(self) -> tuple[int, str]:
        """Waits for it; its exit code, negative after a signal that it didn't catch, and what it said on stderr."""
        self._process.join(120)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        with self._errors:
            self._errors.seek(0)
            return self._process.exitcode, self._errors.read()


@pytest.fixture(scope="session")
def random_crystal() -> Callable[..., SymmetricCrystal]:
    """Makes crystals of a group: a general site, which rules most supergroups out, and up to three others."""
    from asegen.symmetry.analysis import Site, SymmetricCrystal
    from asegen.symmetry.groups import space_group

    def make(number: int, seed: int = 0) -> SymmetricCrystal:
        rng, group = np.random.default_rng([number, seed]), space_group(number)
        a, b, c = 5.5 + 4 * rng.random(3)
        b = b if group.system in ("triclinic", "monoclinic", "orthorhombic") else a
        cell = group.unit_cell @ np.diag([a, b, a if group.system == "cubic" else c])
        if group.system in ("triclinic", "monoclinic"):
            cell[2, 0] -= 1.1
        if group.system == "triclinic":
            cell[1, 0], cell[2, 1] = 0.4, 0.7
        others = rng.permutation(len(group.positions))[:3]
        sites = []
        for z, position in enumerate([group.positions[-1], *(group.positions[k] for k in others)], 11):
            u = np.where(position.free, rng.random(3), 0.0)
            sites.append(Site(position.letter, z, (float(u[0]), float(u[1]), float(u[2]))))
        return SymmetricCrystal(number, cell, tuple(sites))

    return make


def noisy_energies(n: int, seed: int) -> CrystalDataset:
    """Rock salts and metals in turn; energies are constants with normal noise of 0.3 eV/atom."""
    from asegen.crystals.crystals import Crystals
    from asegen.data.shards import CrystalDataset

    generator = torch.Generator().manual_seed(seed)
    n_atoms = torch.tensor([2, 1] * (n // 2))
    cell = (2.6 + torch.rand(n, 1, 1, generator=generator)) * torch.eye(3).double()
    positions = torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]] * (n // 2)).double()
    crystals = Crystals(cell, positions, torch.tensor([11, 17, 29] * (n // 2)), n_atoms)
    energy = torch.where(n_atoms == 2, -2.0, 0.1) + 0.3 * torch.randn(n, generator=generator)
    targets = {"formation_energy_per_atom": energy.double(), "band_gap": 5.0 * (n_atoms == 2).double()}
    return CrystalDataset(crystals, targets, [str(k) for k in range(n)])


@pytest.fixture(scope="session")
def property_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Property networks of a few training steps, by task, and under "shards" the data, no crystal in two splits."""
    from lightning.fabric import Fabric

    from asegen.data.shards import write_shards
    from asegen.training.loop import WEIGHTS, train
    from asegen.training.recipe import recipe_from_table

    folder = tmp_path_factory.mktemp("properties")
    for seed, (split, size) in enumerate({"train": 40, "val": 200, "test": 40, "unseen": 400}.items()):
        write_shards(folder / "shards", split, noisy_energies(size, seed))
    alignn = {"class": "ALIGNN", "width": 8, "alignn_layers": 1, "gcn_layers": 1, "angle_neighbors": 4, "heads": 3}
    ecn = {"class": "ECN", "width": 8, "layers": 1, "cells": "free", "graph": "radius"}
    runs = {
        "alignn": (alignn, "Regression", ["formation_energy_per_atom"]),
        "ecn": (ecn, "Regression", ["formation_energy_per_atom"]),
        "metal": (alignn, "Classification", ["band_gap"]),
        "gap": ({**alignn, "outputs": 2}, "HurdleRegression", ["band_gap"]),
        "both": ({**alignn, "outputs": 2}, "Regression", ["formation_energy_per_atom", "band_gap"]),
    }
    found = {"shards": folder / "shards"}
    for name, (model, task, columns) in runs.items():
        table = {
            "model": model,
            "task": {"class": task},
            "data": {"atom_budget": 100, "targets": columns},
            "optimizer": {"steps": 6, "warmup_steps": 1, "ema": 0.5},
        }
        train(recipe_from_table(name, table), folder / "shards", folder / name, Fabric(accelerator="cpu", devices=1))
        found[name] = folder / name / WEIGHTS
    return found
