"""Substitution against known chemistry, brute force, and properties that hold whatever the templates are."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.io import write
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.data.shards import CrystalDataset
from asegen.errors import InputError
from asegen.ingest.symmetric import symmetrise
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import open_library
from asegen.prototypes.substitution import substituted, substitutions
from asegen.prototypes.votes import chemical_distance
from asegen.structures.atoms import crystals_from_atoms


def library_of(*structures: Atoms) -> TemplateLibrary:
    names = [f"{k}-{atoms.symbols}" for k, atoms in enumerate(structures)]
    return TemplateLibrary(CrystalDataset(crystals_from_atoms(structures), {}, names))


ROCK_SALT = bulk("NaCl", "rocksalt", a=5.64)
CHLORIDE = bulk("CsCl", "cesiumchloride", a=4.12)
BLENDE = bulk("ZnS", "zincblende", a=5.41)
PEROVSKITE = Atoms(
    "SrTiO3",
    scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
    cell=3.905 * np.eye(3),
    pbc=True,
)
KNOWN = library_of(ROCK_SALT, CHLORIDE, BLENDE, PEROVSKITE)


def test_the_chemically_nearest_structure_comes_first() -> None:
    for numbers, template in (((19, 17), 0), ((55, 35), 1), ((30, 34), 2), ((56, 22, 8, 8, 8), 3)):
        assert substitutions(KNOWN, numbers)[0].template == template


def test_elements_take_the_places_of_their_counts() -> None:
    (first, *_) = substitutions(KNOWN, (8, 8, 8, 40, 56))
    assert dict(first.elements) == {38: 56, 22: 40, 8: 8}
    atoms = substituted(KNOWN, first)
    assert sorted(atoms.numbers) == [8, 8, 8, 40, 56]
    assert atoms[[a.index for a in atoms if a.number == 8]].get_scaled_positions() == pytest.approx(
        PEROVSKITE[2:].get_scaled_positions()
    )


def test_a_crystal_of_the_library_is_found_unchanged() -> None:
    for k, atoms in enumerate((ROCK_SALT, CHLORIDE, BLENDE, PEROVSKITE)):
        first = substitutions(KNOWN, atoms.numbers)[0]
        assert (first.template, first.distance) == (k, 0)
        again = substituted(KNOWN, first)
        assert again.cell.array == pytest.approx(atoms.cell.array)
        assert again.numbers.tolist() == atoms.numbers.tolist()


def test_without_the_counts_there_is_nothing() -> None:
    assert substitutions(KNOWN, (11, 11, 17)) == []


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(InputError, match="there is no template"):
        library_of()


elements = st.lists(st.integers(1, 103), min_size=3, max_size=3, unique=True)


@given(elements, elements, st.sampled_from([(1, 1, 1), (1, 1, 2), (2, 2, 1), (1, 2, 3)]))
def test_distances_are_those_of_all_assignments(old: list[int], new: list[int], counts: tuple[int, ...]) -> None:
    numbers = np.repeat(old, counts)
    rng = np.random.default_rng(0)
    known = library_of(Atoms(numbers, scaled_positions=rng.random((len(numbers), 3)), cell=5 * np.eye(3), pbc=True))
    found = substitutions(known, np.repeat(new, counts).tolist())
    ways = [p for p in permutations(range(3)) if all(counts[a] == counts[b] for a, b in enumerate(p))]
    expected = [sum(chemical_distance(old[a], new[p[a]]) for a in range(3)) for p in ways]
    assert sorted(s.distance for s in found) == pytest.approx(sorted(expected))


def test_votes_add_up_by_structure_type() -> None:
    # KBr lies nearer to NaCl than to CsCl and CsBr, and nearer to each of these than to ZnS.
    bromide = bulk("CsBr", "cesiumchloride", a=4.29)
    known = library_of(ROCK_SALT, CHLORIDE, bromide, BLENDE)
    votes = {}
    for name, (a, b) in {"salt": (11, 17), "chloride": (55, 17), "bromide": (55, 35), "blende": (30, 16)}.items():
        for order in ((19, 35), (35, 19)):
            distance = chemical_distance(a, order[0]) + chemical_distance(b, order[1])
            votes[name, order == (19, 35)] = np.exp(-distance / 0.5)
    total = sum(votes.values())
    # Cation and anion of these types may change places: both orders of elements vote for the same type.
    caesium = sum(v for (name, _), v in votes.items() if name in ("chloride", "bromide"))
    salt = sum(v for (name, _), v in votes.items() if name == "salt")
    found = substitutions(known, (19, 35))
    best = {k: next(s for s in found if s.template == k) for k in range(3)}
    assert best[0].log_prior == pytest.approx(np.log(salt / total))
    nearer = min((best[1], best[2]), key=lambda s: s.distance)
    assert nearer.template == 2 and nearer.log_prior == pytest.approx(np.log(caesium / total))
    assert best[1].log_prior == pytest.approx(np.log(votes["chloride", True] / total))
    assert [s.log_prior for s in found] == sorted((s.log_prior for s in found), reverse=True)


def test_the_origin_of_a_cell_makes_no_other_type() -> None:
    moved = ROCK_SALT.copy()
    moved.positions += moved.cell.array.sum(0) / 2
    swapped = ROCK_SALT.copy()
    swapped.numbers = swapped.numbers[::-1]
    kind = library_of(ROCK_SALT, moved, swapped, CHLORIDE).kind((1, 1))
    assert kind is not None
    assert len(set(kind.types[:3].ravel().tolist())) == 1
    assert not set(kind.types[3].tolist()) & set(kind.types[:3].ravel().tolist())


@given(st.permutations([56, 22, 8, 8, 8]))
def test_the_order_of_atoms_asked_for_is_without_effect(numbers: list[int]) -> None:
    assert substitutions(KNOWN, numbers) == substitutions(KNOWN, (56, 22, 8, 8, 8))


def test_volumes_of_a_library_whose_volumes_are_sums_are_found() -> None:
    true = {11: 20.0, 17: 30.0, 19: 45.0}
    made = []
    for a, b, n in 500 * ((11, 17, 1), (19, 17, 1), (11, 17, 3), (19, 11, 2)):
        numbers = [a] + n * [b]
        cell = sum(true[z] for z in numbers) ** (1 / 3) * np.eye(3)
        made.append(Atoms(numbers, scaled_positions=np.random.default_rng(1).random((n + 1, 3)), cell=cell, pbc=True))
    known = library_of(*made)
    assert known.volumes.per_element[[11, 17, 19]] == pytest.approx([20, 30, 45], rel=0.01)
    potassium = substituted(known, substitutions(known, (19, 17, 17, 17))[0])
    assert potassium.get_volume() == pytest.approx(45 + 3 * 30, rel=0.01)


@pytest.mark.parametrize("numbers", [(37, 17), (92, 6), (87, 9), (3, 103)])
def test_elements_without_a_template_take_their_usual_space(numbers: tuple[int, int]) -> None:
    atoms = substituted(KNOWN, substitutions(KNOWN, numbers)[0])
    assert 15 < atoms.get_volume() < 120


def test_templates_stay_as_they_were() -> None:
    first = substitutions(KNOWN, (19, 17))[0]
    substituted(KNOWN, first)
    assert first.structure.numbers.tolist() == [11, 17]
    assert first.structure.cell.array == pytest.approx(ROCK_SALT.cell.array)


def test_conventional_cells_serve_as_primitive_ones() -> None:
    known = library_of(bulk("NaCl", "rocksalt", a=5.64, cubic=True), PEROVSKITE)
    atoms = substituted(known, substitutions(known, (19, 17))[0])
    assert len(atoms) == 2
    assert atoms.get_volume() == pytest.approx(6.29**3 / 4, rel=0.25)  # known from experiment
    assert StructureMatcher().fit(*(AseAtomsAdaptor.get_structure(a) for a in (atoms, bulk("KCl", "rocksalt", a=5.64))))


def test_aflow_knows_the_usual_prototypes() -> None:
    known = open_library("aflow")
    assert len(known) > 250
    best = substituted(known, substitutions(known, (56, 22, 8, 8, 8))[0])
    assert spglib.get_symmetry_dataset((best.cell, best.get_scaled_positions(), best.numbers)).number == 221


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "known.extxyz", [ROCK_SALT, PEROVSKITE, Atoms("H", cell=np.eye(3), pbc=False)])
    seen: list[int] = []
    first = open_library(str(tmp_path / "known.extxyz"), on_start=seen.append)
    again = open_library(str(tmp_path / "known.extxyz"), on_start=seen.append)
    assert seen == [3]
    assert first.ids == again.ids == ["0", "1"]
    a, b = (substituted(known, substitutions(known, (19, 17))[0]) for known in (first, again))
    assert (a.positions == b.positions).all()


@pytest.mark.parametrize("content", ["", "2\nno crystal\nH 0 0 0\nH 0 0 1\n"])
def test_a_file_without_crystals_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bad.extxyz").write_text(content)
    with pytest.raises(InputError):
        open_library(str(tmp_path / "bad.extxyz"))
    with pytest.raises(InputError, match="no such file"):
        open_library(str(tmp_path / "missing"))


def test_splits_with_symmetry_give_the_same_priors_without_spglib(monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [ROCK_SALT, CHLORIDE, BLENDE, PEROVSKITE, bulk("CsBr", "cesiumchloride", a=4.29)]
    names = [str(atoms.symbols) for atoms in structures]
    dataset = CrystalDataset(crystals_from_atoms(structures), {}, names)
    symmetric, _ = symmetrise(dataset, 0.01, jobs=1)
    plain = substitutions(TemplateLibrary(dataset), (19, 35))
    monkeypatch.setattr("asegen.prototypes.library.occupation_of", None)  # what would ask spglib
    known = substitutions(TemplateLibrary(symmetric), (19, 35))
    assert [way.log_prior for way in known] == pytest.approx([way.log_prior for way in plain])
    assert [way.template for way in known] == [way.template for way in plain]
