"""Recipes that extend others, and tasks that need columns."""

from pathlib import Path

import pytest

from asegen.errors import InputError
from asegen.training.recipe import load_recipe


def test_what_a_recipe_does_not_say_it_takes_over(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('extends = "cgcnn-band-gap"\nseed = 5\n[model]\nwidth = 8\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[model]\nlayers = 1\n[optimizer]\nsteps = 7\n')
    below, recipe = load_recipe("cgcnn-formation-energy"), load_recipe(str(tmp_path / "mine.toml"))
    assert recipe.model_options == {**below.model_options, "width": 8, "layers": 1}
    assert recipe.data.targets == ("band_gap",) and recipe.data.atom_budget == below.data.atom_budget
    assert (recipe.seed, recipe.optimizer.steps, recipe.name) == (5, 7, "mine")
    assert recipe.optimizer.learning_rate == below.optimizer.learning_rate


def test_columns_from_the_command_line_win() -> None:
    recipe = load_recipe("alignn-band-gap", targets=["fermi", "gap"])
    assert recipe.data.targets == ("fermi", "gap") and recipe.model_options["outputs"] == 2


def test_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"\n')
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n')
    with pytest.raises(InputError, match="more than 8 times"):
        load_recipe(str(tmp_path / "a.toml"))
    (tmp_path / "c.toml").write_text('extends = "absent"\n')
    with pytest.raises(InputError, match="no recipe"):
        load_recipe(str(tmp_path / "c.toml"))


def test_a_supervised_task_needs_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[model]\nclass = "CGCNN"\n[task]\nclass = "Regression"\n')
    with pytest.raises(InputError, match="targets names them"):
        load_recipe(str(tmp_path / "a.toml"))
    assert load_recipe(str(tmp_path / "a.toml"), targets=["x"]).data.targets == ("x",)
