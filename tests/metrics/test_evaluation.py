"""All metrics at once, on what generators produce at their worst."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from asegen.errors import InputError
from asegen.metrics import METRICS, evaluate

SALT = bulk("NaCl", "rocksalt", a=5.64)


def terrible() -> list[Atoms]:
    """Nothing, NaN, an overlap, an explosion, a flat cell, a needle, odd elements, one atom, and two hundred."""
    crystals = [SALT.copy() for _ in range(5)]
    crystals[0].positions[0, 1] = np.nan
    crystals[1].positions[1] = crystals[1].positions[0]
    crystals[2].set_cell(crystals[2].cell * 1e4, scale_atoms=True)
    crystals[3].cell[2] = crystals[3].cell[0] + crystals[3].cell[1]
    crystals[4].set_cell([[0.6, 0, 0], [0, 0.6, 0], [0, 0, 400]])
    odd = Atoms("OgLr", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=np.eye(3) * 4, pbc=True)
    many = Atoms("Cu200", scaled_positions=np.random.default_rng(1).random((200, 3)), cell=np.eye(3) * 30, pbc=True)
    return [Atoms(), *crystals, odd, Atoms("He", cell=np.eye(3) * 3, pbc=True), many]


@pytest.mark.slow
def test_the_worst_is_counted_and_ends_no_run() -> None:
    reference = [SALT, bulk("Cu"), bulk("Si"), bulk("Al"), bulk("MgO", "rocksalt", a=4.21)]
    found = evaluate([*terrible(), SALT], reference, reference, jobs=2)
    assert found.structures == {"generated": 10, "reference": 5, "train": 5}
    refused = sum(n for kind, n in found.metrics["validity"].counts.items() if kind.startswith("gate_"))
    assert 6 <= refused <= 7 and found.metrics["metre"].values["metre"] == 0.2
    assert found.metrics["energy"].counts["unknown_to_network"] >= 1
    for name, metric in found.metrics.items():
        assert metric.protocol == METRICS[name].protocol
        assert all(value >= 0 for key, value in metric.values.items() if "mean" not in key and np.isfinite(value))


@pytest.mark.slow
def test_a_side_without_any_valid_structure_ends_no_run(tmp_path: Path) -> None:
    for sides in (([Atoms()], [SALT, bulk("Cu")]), ([SALT, bulk("Cu")], [Atoms()]), ([Atoms()], [Atoms()])):
        found = evaluate(*sides, sides[1], cache=tmp_path)
        assert found.metrics["match"].values["match_rate"] == found.metrics["metre"].values["metre"] == 0
        assert np.isnan(found.metrics["density"].values["emd"]) and np.isnan(found.metrics["fad"].values["distance"])


def test_files_by_name_folders_and_a_single_crystal(tmp_path: Path) -> None:
    write(tmp_path / "salt.extxyz", SALT)
    by_name = evaluate(str(tmp_path / "salt.extxyz"), SALT, metrics=["density"])
    assert by_name == evaluate([SALT], [SALT], metrics=["density"]) == evaluate(tmp_path, SALT, metrics=["density"])


def test_it_can_be_printed() -> None:
    found = str(evaluate([SALT, Atoms()], [SALT], metrics=["validity", "density", "discovery"]))
    lines = found.splitlines()
    assert lines[0].split() == ["validity:", "published", "0.5000"]
    assert lines[-1].startswith("discovery: no structure has an energy_above_hull")
    assert {line.partition(" ±")[0].rindex(".") for line in lines[:6]} == {lines[0].rindex(".")}


def test_the_number_of_processes_changes_nothing() -> None:
    generated = [SALT, bulk("Cu", a=3.7), bulk("Si")]
    names = ["validity", "match", "metre", "discovery"]
    one, two = (evaluate(generated, [SALT, bulk("Cu")], [SALT], metrics=names, jobs=jobs) for jobs in (1, 2))
    assert one == two
    assert list(one.metrics) == names


def test_what_cannot_be_measured_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="no metric 'charm'"):
        evaluate([SALT], metrics=["charm"])
    with pytest.raises(InputError, match="needs reference"):
        evaluate([SALT], metrics=["fad"])
    with pytest.raises(InputError, match="jobs = 0"):
        evaluate([SALT], jobs=0)
    with pytest.raises(InputError, match="no structures"):
        evaluate([], metrics=["validity"])
