"""Probabilities of targets by composition: against the formula by hand, scikit-learn's kernels, and held-out moduli."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas
import pytest
from ase import Atoms
from ase.data import atomic_numbers
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel

from asegen.criteria.criterion import read_criteria
from asegen.criteria.judging import Criteria, Judgement
from asegen.discovery.cells import Cell
from asegen.discovery.target_model import WIDTH, KernelMean, TargetModel, descriptors, known_targets
from asegen.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, TYPICAL_VOLUME
from asegen.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data" / "elasticity"


def cell(formula: str) -> Cell:
    return Cell.of(1, Counter(Atoms(formula).numbers.tolist()))


CELLS = [cell(formula) for formula in ("NaCl", "KCl", "SrTiO3", "Cu3Au")]


def test_descriptors_are_means_and_deviations_over_atoms() -> None:
    numbers = [atomic_numbers[s] for s in ("Sr", "Ti", "O", "O", "O")]
    columns = np.array([2, 4, 16, 16, 16]) / 2
    values = [np.array(table)[numbers] for table in (ELECTRONEGATIVITY, COVALENT_RADIUS, np.cbrt(TYPICAL_VOLUME))]
    values = [values[0] / 0.4, values[1] / 0.25, columns, values[2] / 0.3]
    found = descriptors([CELLS[2]])
    assert found[0] == pytest.approx([*(v.mean() for v in values), *(v.std() for v in values)])
    assert descriptors([cell("Sr2Ti2O6")]) == pytest.approx(found)


def test_probabilities_are_a_kernel_regression() -> None:
    given = np.array([1.0, 0.5, 0.0, 0.25])
    asked = [cell("RbCl"), cell("CaTiO3"), CELLS[0]]
    kernel = rbf_kernel(descriptors(asked), descriptors(CELLS), gamma=1 / (2 * WIDTH**2))
    expected = (kernel @ given + 0.5 * given.mean()) / (kernel.sum(1) + 0.5)
    mean = KernelMean(CELLS, given)
    assert mean.at(asked) == pytest.approx(expected, abs=1e-9)
    assert mean.learning([], []).at(asked) == pytest.approx(expected, abs=1e-9)
    half, never = KernelMean([], [], 0.5), KernelMean(CELLS, [0.0] * 4)
    assert TargetModel(mean, half).probabilities(asked) == pytest.approx(expected / 2, abs=1e-9)
    assert TargetModel(mean, never).probabilities(asked) == pytest.approx([1e-3] * 3)


class Known:
    """A library of the elements, whose predictions are given."""

    crystals: ClassVar = [Atoms(symbol, cell=[4, 4, 4], pbc=True) for symbol in ("C", "Si", "Ge")]

    def __len__(self) -> int:
        return len(self.crystals)

    def atoms(self, places: list[int]) -> list[Atoms]:
        return [self.crystals[place] for place in places]


class Gaps(Criteria):
    """Gaps of 5.5, 1 and 0.5 eV, each with an error of 0.5 eV."""

    gaps: ClassVar = {"C": 5.5, "Si": 1.0, "Ge": 0.5}

    def __init__(self, wanted: str) -> None:
        self.criteria = read_criteria(wanted)

    def judge(self, structures: Sequence[Atoms]) -> list[Judgement]:
        (gap,) = self.criteria
        values = [self.gaps[str(atoms.symbols)] for atoms in structures]
        each = [gap.probability(value, 0.5) for value in values]
        return [
            Judgement({"band_gap_predicted": v}, gap.is_met(v), p, "", 0.0, (p,))
            for v, p in zip(values, each, strict=True)
        ]


@pytest.mark.parametrize("wanted", ["band_gap=1..2", "band_gap=5..", "band_gap=6.."])
def test_what_predictions_reach_is_looked_for(wanted: str) -> None:
    """The last one by their errors alone."""
    assert known_targets(Known(), Gaps(wanted)).on_target.at([CELLS[0]]) > 0


def test_what_no_known_crystal_comes_near_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"20\.\.30: none of 3 known crystals comes near; the nearest, C, has 5\.5 eV"):
        known_targets(Known(), Gaps("band_gap=20..30"))


@pytest.mark.skipif(not DATA.exists(), reason="needs the data")
def test_compositions_tell_stiff_crystals_from_soft_ones() -> None:
    train, val = (pandas.read_csv(DATA / f"{split}.csv.gz") for split in ("train", "val"))
    cells, stiff = [], []
    for split in (train, val):
        formulas = split["cif"].str.extract(r"_chemical_formula_sum\s+'?([^'\n]+)'?")[0].str.replace(" ", "")
        cells.append([cell(formula) for formula in formulas])
        stiff.append(split["bulk_modulus"].to_numpy() >= 200)
    probabilities = KernelMean(cells[0], stiff[0].astype(float)).at(cells[1])
    assert roc_auc_score(stiff[1], probabilities) > 0.9
    enriched = stiff[1][np.argsort(-probabilities)[:22]].mean()
    assert enriched > 4 * stiff[1].mean()
