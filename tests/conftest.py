"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
if TYPE_CHECKING:
    from asegen.symmetry.analysis import SymmetricCrystal

settings.register_profile("asegen", deadline=None, max_examples=30)
settings.load_profile("asegen")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real training and test data, where there is one beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data is not on this machine")
    return folder


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


@pytest.fixture(scope="session")
def property_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Property networks of a few training steps, by task, and under "shards" the data: rock salts and metals."""
    from lightning.fabric import Fabric

    from asegen.crystals.crystals import Crystals
    from asegen.data.shards import CrystalDataset, write_shards
    from asegen.training.loop import WEIGHTS, train
    from asegen.training.recipe import recipe_from_table

    folder = tmp_path_factory.mktemp("properties")
    generator = torch.Generator().manual_seed(0)
    n_atoms = torch.tensor([2, 1] * 20)
    cell = (2.6 + torch.rand(40, 1, 1, generator=generator)) * torch.eye(3).double()
    positions = torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]] * 20).double()
    crystals = Crystals(cell, positions, torch.tensor([11, 17, 29] * 20), n_atoms)
    energy = torch.where(n_atoms == 2, -2.0, 0.1) + 0.3 * torch.randn(40, generator=generator)
    targets = {"formation_energy_per_atom": energy.double(), "band_gap": 5.0 * (n_atoms == 2).double()}
    for split in ("train", "val", "test"):
        write_shards(folder / "shards", split, CrystalDataset(crystals, targets, [str(k) for k in range(40)]))
    alignn = {"class": "ALIGNN", "width": 8, "alignn_layers": 1, "gcn_layers": 1, "angle_neighbors": 4, "heads": 3}
    ecn = {"class": "ECN", "width": 8, "layers": 1, "cells": "free", "graph": "radius"}
    runs = {
        "alignn": (alignn, "Regression", ["formation_energy_per_atom"]),
        "ecn": (ecn, "Regression", ["formation_energy_per_atom"]),
        "metal": (alignn, "Classification", ["band_gap"]),
        "both": ({**alignn, "outputs": 2}, "Regression", ["formation_energy_per_atom", "band_gap"]),
    }
    found = {"shards": folder / "shards"}
    for name, (model, process, columns) in runs.items():
        table = {
            "model": model,
            "process": {"class": process},
            "data": {"atom_budget": 20, "targets": columns},
            "optimizer": {"steps": 6, "warmup_steps": 1, "ema": 0.5},
        }
        train(recipe_from_table(name, table), folder / "shards", folder / name, Fabric(accelerator="cpu", devices=1))
        found[name] = folder / name / WEIGHTS
    return found
