"""Recipes: the shipped ones, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from asegen.errors import InputError
from asegen.training.recipe import load_recipe, recipe_from_table, shipped_recipes

GOOD = {
    "model": {"class": "CrystalTransformer", "width": 32},
    "task": {"class": "TorusFlow"},
    "optimizer": {"steps": 10, "learning_rate": 1},
}


def test_shipped_recipes_load() -> None:
    assert "torusflow-mp" in shipped_recipes()
    for name in shipped_recipes():
        assert load_recipe(name).name == name


def test_overrides(tmp_path: Path) -> None:
    recipe = load_recipe("torusflow-mp", steps=7, seed=9, precision="32-true")
    assert (recipe.optimizer.steps, recipe.seed, recipe.precision) == (7, 9, "32-true")


def test_good_table() -> None:
    recipe = recipe_from_table("mine", GOOD)
    assert recipe.model_options == {"width": 32} and recipe.optimizer.steps == 10


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": {"class": "Unknown"}}, "CrystalTransformer"),
        ({"model": None}, "model"),
        ({"model": {"class": "CrystalTransformer", "depth": 3}}, "depth"),
        ({"optimizer": {"steps": "many"}}, "steps"),
        ({"optimizer": {"steps": -1}}, "steps"),
        ({"optimizer": {"steps": 0}}, "steps = 0: at least 1"),
        ({"validate_every": 0}, "validate_every = 0: at least 1"),
        ({"optimizer": {"stepz": 1}}, "stepz"),
        ({"data": 3}, "data"),
        ({"precision": "fp8"}, "fp8"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_tables_name_the_entry(change: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        recipe_from_table("mine", {**GOOD, **change})


def test_what_replaces_entries_is_checked_as_they_are() -> None:
    recipe = load_recipe("cgcnn-formation-energy", steps=np.int64(5), seed=np.int64(3), targets="gap")
    assert (recipe.optimizer.steps, recipe.seed, recipe.data.targets) == (5, 3, ("gap",))
    wrong = [({"steps": "5"}, "steps = '5'"), ({"steps": 0}, "steps = 0"), ({"seed": -1}, "negative")]
    for given, named in [*wrong, ({"precision": "64"}, "'64' is not one of")]:
        with pytest.raises(InputError, match=named):
            load_recipe("cgcnn-formation-energy", **given)


def test_unknown_recipe_and_bad_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="torusflow-mp"):
        load_recipe("no-such-recipe")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(InputError, match="bad.toml"):
        load_recipe(str(tmp_path / "bad.toml"))
