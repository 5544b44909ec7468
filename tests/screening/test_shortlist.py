"""The whole chain on crystals whose answer is known, with CHGNet: polymorphs of NaCl, and cubic SrTiO3."""

from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read, write

from asegen.screening import Result, screen
from asegen.screening.ledger import funnel

pytest.importorskip("chgnet")
pytest.importorskip("phonopy")
pytestmark = pytest.mark.slow

PEROVSKITE = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    folder = tmp_path_factory.mktemp("shortlist")
    frames = {
        "rock salt": bulk("NaCl", "rocksalt", a=5.4),
        "CsCl type": bulk("NaCl", "cesiumchloride", a=3.4),
        "zinc blende": bulk("NaCl", "zincblende", a=6.0),
        "rock salt again": bulk("NaCl", "rocksalt", a=6.1, cubic=True),
        "perovskite": Atoms("SrTiO3", scaled_positions=PEROVSKITE, cell=[3.8] * 3, pbc=True),
    }
    for k, (name, atoms) in enumerate(frames.items()):
        atoms.rattle(0.04, seed=k)
        atoms.info["id"] = name
    write(folder / "in.extxyz", list(frames.values()))
    found = screen(folder / "in.extxyz", folder / "run", "chgnet", reference="none", cache=folder / "elements", jobs=2)
    return folder / "run", {result.name: result for result in found}


def rock_salts(found: tuple[Path, dict[str, Result]]) -> list[Result]:
    """The one that is kept, and its copy: which of both it is, less than a meV decides."""
    both = [found[1][name] for name in ("rock salt", "rock salt again")]
    return sorted(both, key=lambda result: result.status == "duplicate")


def test_rock_salt_is_on_the_hull_and_its_polymorphs_lie_where_they_should(found) -> None:
    by_name, (salt, copy) = found[1], rock_salts(found)
    assert salt["e_hull"] == pytest.approx(0.0, abs=1e-3)
    assert by_name["zinc blende"]["e_hull"] == pytest.approx(0.078, abs=0.01)
    assert by_name["CsCl type"]["e_hull"] == pytest.approx(0.112, abs=0.01)
    assert copy.status == "duplicate" and copy["duplicate_of"] == salt.id
    groups = {name: by_name[name]["space_group"] for name in ("rock salt", "zinc blende", "CsCl type", "perovskite")}
    assert list(groups.values()) == ["Fm-3m (225)", "F-43m (216)", "Pm-3m (221)", "Pm-3m (221)"]


def test_phonons_tell_rock_salt_from_cubic_strontium_titanate(found) -> None:
    salt, titanate = rock_salts(found)[0], found[1]["perovskite"]
    assert salt["phonons"] == "stable"
    assert titanate["phonons"] == "unstable" and titanate["lowest_frequency"] == pytest.approx(-3.8, abs=0.3)
    assert sum(result.status == "ok" for result in found[1].values()) == funnel(found[0])[-1].left == 4


def test_the_shortlist_comes_with_inputs_for_dft(found) -> None:
    workdir, by_name = found
    for result in by_name.values():
        if result.status == "ok":
            folder = workdir / result.artifacts["vasp"]
            assert {"INCAR", "KPOINTS", "POSCAR", "POTCAR.spec"} <= {file.name for file in folder.iterdir()}
            assert len(read(folder / "POSCAR")) == result["n_atoms"]
            assert (workdir / result.artifacts["phonons"] / "band.yaml").is_file()
