"""The call of a script or notebook: structures at hand or in files, errors that name parameters, pandas."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from ase.build import bulk
from ase.io import write
from pymatgen.core import Lattice, Structure

from asegen.errors import InputError
from asegen.screening import read_atoms, results, screen


def test_structures_at_hand_and_in_files(tmp_path: Path) -> None:
    write(tmp_path / "in.extxyz", bulk("Al", a=4.1))
    copper = bulk("Cu", a=3.123456789123)
    copper.info |= {"material_id": "mine", "rank": 1}
    given = [copper, tmp_path / "in.extxyz", bulk("Cu", "bcc", a=2.9)]
    arguments = {"stages": ["dedup"], "jobs": 1}
    found = screen(given, tmp_path / "run", "emt", **(arguments | {"jobs": np.int64(1), "best": np.int64(10)}))
    table = pandas.DataFrame(found).set_index("id")
    assert list(table.formula) == ["Al", "Cu", "Cu"] and list(table.source) == [
        str(tmp_path / "in.extxyz"), "structures", "structures",
    ]  # fmt: skip
    assert list(table.name) == ["c000001", "mine", "c000003"] and table.rank_before["c000002"] == 1
    assert (read_atoms(tmp_path / "run", "c000002").cell == copper.cell).all()
    with pytest.raises(InputError, match="'mine' is no id of a candidate, such as c000001"):
        read_atoms(tmp_path / "run", "mine")
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"results.csv", "results.extxyz", "results.db"}
    assert screen(given, tmp_path / "run", "emt", **arguments) == found == results(tmp_path / "run")
    by_text = screen(given, tmp_path / "run", "emt", **(arguments | {"stages": "read, dedup"}))
    assert by_text == found
    with pytest.raises(InputError, match="structures are not what they were"):
        screen([bulk("Ni"), tmp_path / "in.extxyz", bulk("Cu")], tmp_path / "run", "emt", **arguments)


def test_a_structure_with_partial_occupancies_ends_with_a_status_of_its_own(tmp_path: Path) -> None:
    mixed = Structure(Lattice.cubic(4.2), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    found = screen([bulk("Cu", a=3.6), mixed], tmp_path / "run", "emt", stages=["dedup"], jobs=1)
    by_id = {result["id"]: result for result in found}
    assert by_id["c000001"]["status"] == "ok" and by_id["c000002"]["status"] == "rejected"
    assert "partial occupancy" in by_id["c000002"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stages": ["magic"]}, "stages: no stage 'magic'; there are read, dedup"),
        ({"stages": "read,magic"}, "stages: no stage 'magic'"),
        ({"workdir": None}, "workdir = None: the path of a folder"),
        ({"structures": []}, r"structures = \[\]: at least one"),
        ({"stages": ["hull"]}, "stages: the stage hull needs the stage relax"),
        ({"fmax": 0.0}, "fmax = 0: must be greater than 0"),
        ({"symprec": float("nan")}, "symprec = nan: a tolerance in Å, above 0 and at most 1, is needed"),
        ({"symprec": 1e9}, "symprec = 1e\\+09: a tolerance in Å"),
        ({"jobs": 10**8}, "jobs = 100000000: 1024 at most"),
        ({"time_limit": -60}, "time_limit = -60: must be greater than 0"),
        ({"best": -1}, "best = -1: must not be negative"),
        ({"jobs": 0}, "jobs = 0: at least one process is needed"),
        ({"memory": 0.0}, "memory = 0: a worker needs 0.25 GiB"),
        ({"memory": "4"}, "memory = '4': a number is needed"),
        ({"memory": 1e-9}, "memory = 1e-09: a worker needs 0.25 GiB"),
        ({"fmax": float("inf")}, "fmax = inf: must be finite"),
        ({"steps": 10**9}, "steps = 1000000000: 100000 at most"),
        ({"reference": ["none", "a.csv", "b.csv"]}, "one file at most"),
        ({"reference": "none.csv"}, "reference = none.csv: there is no such file"),
        ({"materials_project": True}, "materials_project: .* set MP_API_KEY"),
        ({"calculator": "abacus"}, "no calculator 'abacus'"),
        ({"relaxer": "no-such-model"}, "no model 'no-such-model'"),
        ({"relaxer": False}, "relaxer = False: the name of a model"),
        ({"structures": "none.cif"}, "cannot read none.cif"),
    ],
)
def test_errors_name_parameters_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict, message: str
) -> None:
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(InputError, match=message):
        screen(**({"structures": bulk("Cu"), "workdir": tmp_path / "run", "calculator": "emt", "jobs": 1} | arguments))
    assert not (tmp_path / "run").exists()
