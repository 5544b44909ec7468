"""Substitution against known chemistry, brute force, and properties that hold whatever the templates are."""

from itertools import permutations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from asegen.atoms import crystals_from_atoms
from asegen.data.shards import CrystalDataset
from asegen.errors import InputError
from asegen.templates.library import MENDELEEV, TemplateLibrary
from asegen.templates.substitution import substituted, substitutions


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
@settings(max_examples=50, deadline=None)
def test_distance_is_the_least_over_all_assignments(old: list[int], new: list[int], counts: tuple[int, ...]) -> None:
    numbers = np.repeat(old, counts)
    rng = np.random.default_rng(0)
    known = library_of(Atoms(numbers, scaled_positions=rng.random((len(numbers), 3)), cell=5 * np.eye(3), pbc=True))
    found = substitutions(known, np.repeat(new, counts).tolist())
    ways = [p for p in permutations(range(3)) if all(counts[a] == counts[b] for a, b in enumerate(p))]
    expected = [
        sum(n * abs(MENDELEEV[old[a]] - MENDELEEV[new[p[a]]]) for a, n in enumerate(counts)) / sum(counts) for p in ways
    ]
    assert [s.distance for s in found] == pytest.approx(sorted(expected))


@given(st.permutations([56, 22, 8, 8, 8]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_atoms_asked_for_is_without_effect(numbers: list[int]) -> None:
    assert substitutions(KNOWN, numbers) == substitutions(KNOWN, (56, 22, 8, 8, 8))


def test_volumes_of_a_library_whose_volumes_are_sums_are_found() -> None:
    true = {11: 20.0, 17: 30.0, 19: 45.0}
    made = []
    for a, b, n in ((11, 17, 1), (19, 17, 1), (11, 17, 3), (19, 11, 2)):
        numbers = [a] + n * [b]
        cell = sum(true[z] for z in numbers) ** (1 / 3) * np.eye(3)
        made.append(Atoms(numbers, scaled_positions=np.random.default_rng(1).random((n + 1, 3)), cell=cell, pbc=True))
    known = library_of(*made)
    assert known.volumes.per_element[[11, 17, 19]] == pytest.approx([20, 30, 45])
    potassium = substituted(known, substitutions(known, (19, 17, 17, 17))[0])
    assert potassium.get_volume() == pytest.approx(45 + 3 * 30)


def test_elements_without_a_template_have_a_volume_too() -> None:
    assert (KNOWN.volumes.per_element[1:] > 0).sum() >= 98  # the fit may leave a few with none
    atoms = substituted(KNOWN, substitutions(KNOWN, (92, 6))[0])
    assert np.isfinite(atoms.get_volume())
    assert atoms.get_volume() > 10


def test_crystals_stay_as_they_were() -> None:
    before = KNOWN.crystals.cell.clone()
    substituted(KNOWN, substitutions(KNOWN, (19, 17))[0])
    assert torch.equal(before, KNOWN.crystals.cell)
