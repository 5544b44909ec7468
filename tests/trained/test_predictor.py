"""Trained property networks as predictors."""

from pathlib import Path

import pytest
import torch

from asegen.data.shards import CrystalDataset, load_split
from asegen.errors import CheckpointError, InputError
from asegen.models.checkpoint import read_tensors, write_tensors
from asegen.properties.regression import calibration
from asegen.trained.predictor import load_predictor, measure

Weights = dict[str, Path]


def test_predictions_are_the_same_in_any_company(property_weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = load_predictor(str(property_weights["alignn"]), "cpu")
    crystals = load_split(property_weights["shards"], "test").crystals
    whole = predictor.predict(crystals)
    monkeypatch.setattr("asegen.trained.predictor.MAX_ATOMS_AT_ONCE", 7)
    pieces = predictor.predict(crystals)
    torch.testing.assert_close(pieces.value, whole.value, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pieces.spread, whole.spread, atol=1e-5, rtol=1e-4)
    assert whole.value.shape == (40, 1) and bool((whole.spread > 0).all())
    assert predictor.embed(crystals).shape == (40, 8)
    assert predictor.elements == {11, 17, 29} and predictor.columns == ("formation_energy_per_atom",)


def test_spread_of_the_validation_split_fits_crystals_that_nobody_has_seen(property_weights: Weights) -> None:
    header, _ = read_tensors(property_weights["alignn"])
    factor = calibration(header["metrics"], 0, 1)
    assert factor is not None
    unseen = load_split(property_weights["shards"], "unseen")
    found = load_predictor(str(property_weights["alignn"]), "cpu").predict(unseen.crystals)
    error = (found.value[:, 0] - unseen.targets["formation_energy_per_atom"]).abs().mean()
    # Normal errors; 600 of them leave their mean within 7 %.
    ratio = float(error / found.spread.mean())
    assert ratio == pytest.approx((2 / torch.pi) ** 0.5, rel=0.14)
    assert not 0.5 < factor < 2  # as they are, the heads' disagreements are no errors


def test_a_single_head_claims_no_uncertainty(property_weights: Weights) -> None:
    predictor = load_predictor(str(property_weights["ecn"]), "cpu")
    found = predictor.predict(load_split(property_weights["shards"], "test").crystals)
    assert bool(found.spread.isnan().all()) and predictor.needs_primitive


def test_figures_of_a_split(property_weights: Weights) -> None:
    test = load_split(property_weights["shards"], "test")
    numbers = measure(load_predictor(str(property_weights["both"]), "cpu"), test)
    assert numbers["crystals"] == 40 and {"formation_energy_per_atom MAE", "band_gap MAE"} < set(numbers)
    classes = measure(load_predictor(str(property_weights["metal"]), "cpu"), test)
    assert 0 <= classes["accuracy"] <= 1 and "F1" in classes
    gaps = test.targets["band_gap"].clone()
    gaps[:15] = torch.nan
    fewer = CrystalDataset(test.crystals, {**test.targets, "band_gap": gaps}, test.ids)
    assert measure(load_predictor(str(property_weights["metal"]), "cpu"), fewer)["crystals"] == 25
    with pytest.raises(InputError, match="no column 'band_gap'"):
        measure(load_predictor(str(property_weights["metal"]), "cpu"), CrystalDataset(test.crystals, {}, test.ids))
    foreign = test.crystals.replace(numbers=torch.full_like(test.crystals.numbers, 92))
    with pytest.raises(InputError, match="no crystal that"):
        measure(load_predictor(str(property_weights["metal"]), "cpu"), CrystalDataset(foreign, test.targets, test.ids))


def test_a_hurdle_model_tells_the_number_and_the_probability_of_none(property_weights: Weights) -> None:
    predictor, test = (
        load_predictor(str(property_weights["gap"]), "cpu"),
        load_split(property_weights["shards"], "test"),
    )
    assert predictor.columns == ("band_gap", "zero_probability") and predictor.targets == ("band_gap",)
    assert predictor.zero_probability == "zero_probability" and not predictor.is_classifier
    found = predictor.predict(test.crystals)
    value, zero = found.value.unbind(1)
    assert bool(((value == 0) == (zero > 0.5)).all()) and bool((found.spread >= 0).all())
    figures, gap = measure(predictor, test), test.targets["band_gap"].float()
    error, metal = (value - gap).abs(), gap == 0
    assert figures["band_gap MAE"] == pytest.approx(float(error.mean()))
    assert figures["band_gap MAE above 0"] == pytest.approx(float(error[~metal].mean()))
    assert figures["zero, right"] == pytest.approx(float((value[metal] == 0).float().mean()))
    assert figures["above 0, right"] == pytest.approx(float((value[~metal] > 0).float().mean()))
    with pytest.raises(InputError, match="a class"):
        predictor.differentiable(test.crystals)


def test_weights_of_other_kinds_are_refused(property_weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="weights for TorusFlow"):
        load_predictor("torusflow-mp", "cpu")
    with pytest.raises(InputError, match="no model 'absent'"):
        load_predictor("absent", "cpu")
    header, tensors = read_tensors(property_weights["alignn"])
    write_tensors(tmp_path / "a.safetensors", tensors, {**header, "model": {"class": "ALIGNN", "colour": 1}})
    with pytest.raises(CheckpointError, match="of this version"):
        load_predictor(str(tmp_path / "a.safetensors"), "cpu")
    with pytest.raises(InputError, match="a class"):
        predictor = load_predictor(str(property_weights["metal"]), "cpu")
        predictor.differentiable(load_split(property_weights["shards"], "test").crystals)
