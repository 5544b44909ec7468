"""Ranges of properties: what is written, what is refused, and values against pymatgen, spglib and scipy."""

import math

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Composition
from scipy.stats import norm

from asegen.calculators.property import predict
from asegen.criteria.criterion import read_criteria
from asegen.criteria.judging import Criteria
from asegen.criteria.quantities import quantities
from asegen.errors import InputError

SALT = bulk("NaCl", "rocksalt", a=5.64)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("band_gap=1..2", 1, 2),
        ("band_gap = 1..", 1, math.inf),
        ("price=..50", -math.inf, 50),
        ("n_atoms=8", 8, 8),
        ("n_atoms=8..", 8, math.inf),
        ("formation_energy=-3..-0.5", -3, -0.5),
        ("spacegroup=Fm-3m", 225, 225),
        ("spacegroup=195..230", 195, 230),
        ("metal=no", 0, 0.5),
        ("metal=yes", 0.5, 1),
        ("metal=1", 0.5, 1),
        ("metal=0", 0, 0.5),
    ],
)
def test_ranges_are_read(text: str, low: float, high: float) -> None:
    (criterion,) = read_criteria([text])
    assert (criterion.low, criterion.high) == (low, high)
    assert read_criteria([str(criterion)]) == (criterion,)


def test_python_takes_ranges_and_values() -> None:
    found = read_criteria({"band_gap": (1, 2), "density": (None, 5), "metal": False, "spacegroup": "Fm-3m"})
    assert found == read_criteria(["band_gap=1..2", "density=..5", "metal=no", "spacegroup=225"])
    numbers = read_criteria({"band_gap": np.array([1.0, 2.0]), "metal": 0, "n_atoms": np.int64(4)})
    assert numbers == read_criteria(["band_gap=1..2", "metal=no", "n_atoms=4"])
    assert read_criteria({"metal": np.True_}) == read_criteria({"metal": 1.0}) == read_criteria(["metal=yes"])


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (["gap=1..2"], "no such property"),
        (["band_gap"], "NAME=LOW..HIGH"),
        (["band_gap=.."], "LOW..HIGH"),
        (["band_gap=1..2..3"], "LOW..HIGH"),
        (["band_gap=a..2"], "no number"),
        (["band_gap=nan..2"], "no number"),
        (["band_gap=2..1"], "above"),
        (["band_gap=-3..-1"], "can't be met"),
        (["spacegroup=231"], "1 to 230"),
        (["n_atoms=3.2..3.8"], "whole number"),
        (["n_atoms=0"], "can't be met"),
        (["metal=2"], "can't be met"),
        (["band_gap=1..2", "band_gap=3..4"], "twice"),
        (["band_gap=1..2", "metal=yes"], "contradict"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(texts: list[str], word: str) -> None:
    with pytest.raises(InputError, match=word) as refused:
        read_criteria(texts)
    assert "\n" not in str(refused.value)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="target = 1: no such property"):
        read_criteria({1: (1, 2)})  # type: ignore[dict-item]


def test_criteria_that_were_not_read_are_refused() -> None:
    with pytest.raises(InputError, match="'band_gap=1..2' is none: read_criteria makes them"):
        Criteria(["band_gap=1..2"])  # type: ignore[list-item]
    (met,) = Criteria(one for one in read_criteria(["band_gap=2..9", "n_atoms=2"])).judge([SALT])
    assert met.reason == ""


def test_probability_is_the_normal_distributions() -> None:
    (criterion,) = read_criteria(["band_gap=1..2"])
    assert criterion.probability(1.3, 0.4) == pytest.approx(norm.cdf(2, 1.3, 0.4) - norm.cdf(1, 1.3, 0.4))
    assert criterion.probability(1.3) == 1 and criterion.probability(2.3) == 0
    assert criterion.probability(math.nan, 0.4) == 0


def test_distances_are_in_units_of_the_nearer_end() -> None:
    (criterion,) = read_criteria(["band_gap=1..2"])
    assert [criterion.distance(value) for value in (0.5, 1, 1.5, 2, 3)] == [0.5, 0, 0, 0, 0.5]
    assert criterion.distance(math.nan) == math.inf
    (none,) = read_criteria(["band_gap=0"])
    assert none.distance(0.3) == 0.3  # no unit but the property's own


def test_all_that_is_not_met_is_named_with_its_unit() -> None:
    (found,) = Criteria(read_criteria(["density=5..6", "n_atoms=3..", "n_elements=2"])).judge([SALT])
    assert found.reason == "density: 2.16 g/cm³, n_atoms: 2"
    assert found.distance == pytest.approx((5 - 2.164) / 5 + 1 / 3, abs=1e-3)


def test_what_follows_from_the_atoms() -> None:
    texts = ["density=2..3", "n_atoms=2", "n_elements=2", "spacegroup=225", "price=0..1000", "hhi=0..10000"]
    (found,) = Criteria(read_criteria(texts)).judge([SALT])
    mass = Composition("NaCl").weight * 1.66053907  # g, times 1e24
    assert found.is_met and found.probability == 1
    assert found.values["density"] == pytest.approx(4 * mass / 5.64**3, abs=1e-3)
    assert found.values["spacegroup"] == 225
    assert found.values["hhi"] < 10_000
    assert found.values["price"] > 0


def test_predictions_and_their_spread_decide() -> None:
    predicted = predict(SALT, "alignn-band-gap")[0].values
    value, deviation, metal = (predicted[name] for name in ("band_gap", "band_gap_std", "metal_probability"))
    (criterion,) = read_criteria([f"band_gap={value - 0.1}..{value + 0.5}"])
    met, missed = Criteria([criterion]).judge([SALT, bulk("Cu")])
    assert met.is_met and not missed.is_met and missed.reason.startswith("band_gap")
    share = norm.cdf(0.5, 0, deviation) - norm.cdf(-0.1, 0, deviation)
    assert met.probability == pytest.approx(share * (1 - metal), abs=1e-3)
    assert met.values["band_gap_predicted"] == pytest.approx(value, abs=1e-4)


def test_the_probability_of_a_gap_counts_metals() -> None:
    values = predict(SALT, "alignn-band-gap")[0].values
    value, deviation, metal = (values[name] for name in ("band_gap", "band_gap_std", "metal_probability"))
    (with_zero, without) = (Criteria(read_criteria([f"band_gap={low}..{value}"])).judge([SALT])[0] for low in (0, 1))
    share = norm.cdf(value, value, deviation) - norm.cdf(1, value, deviation)
    assert without.probability == pytest.approx(share * (1 - metal), abs=1e-3)
    assert with_zero.probability == pytest.approx(0.5 * (1 - metal) + metal, abs=0.02)


def test_compositions_are_ruled_out_by_what_follows_from_them() -> None:
    criteria = Criteria(read_criteria(["n_atoms=2..4", "hhi=..3000", "density=..1"]))
    assert criteria.allow({11: 1, 17: 1}) and not criteria.allow({11: 3, 17: 3})
    assert not criteria.allow({78: 3})  # platinum comes from one country


def test_metals_are_told_by_yes_and_no() -> None:
    yes, no = (Criteria(read_criteria([f"metal={word}"])).judge([bulk("Cu"), SALT]) for word in ("yes", "no"))
    assert [found.is_met for found in yes] == [True, False]
    assert [found.is_met for found in no] == [False, True]


def test_what_is_broken_meets_nothing() -> None:
    broken = SALT.copy()
    broken.positions[1] = broken.positions[0]
    (found,) = Criteria(read_criteria(["density=0.."])).judge([broken])
    assert not found.is_met and found.probability == 0 and found.reason == "density: none"


def test_every_shipped_property_network_is_a_quantity() -> None:
    assert {"formation_energy", "band_gap", "metal", "bulk_modulus", "shear_modulus"} <= set(quantities())
