"""`import asegen`: light, and its names are found, completed, checked and explained."""

import ast
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import asegen

SOURCE = ast.parse(Path(str(asegen.__file__)).read_text())


@pytest.mark.parametrize("name", asegen.__all__)
def test_a_name_opens_what_its_module_defines(name: str) -> None:
    found = getattr(asegen, name)
    assert found.__name__ == name and found.__doc__


def test_names_are_completed_and_explained() -> None:
    assert set(asegen.__all__) == set(asegen._DOORS) <= set(dir(asegen))
    assert "__version__" in dir(asegen)
    explained = str(asegen.__doc__).partition("What to begin with:")[2]
    assert all(re.search(rf"^    {name}\s", explained, re.MULTILINE) for name in asegen.__all__)
    with pytest.raises(AttributeError, match="no attribute 'generator'"):
        asegen.generator  # noqa: B018


@pytest.mark.parametrize("name", ["Generator", "PropertyCalculator", "Ranking", "Request"])
def test_help_says_more_than_initialize_self(name: str) -> None:
    assert "Initialize self" not in pydoc.plain(pydoc.render_doc(getattr(asegen, name)))


def test_objects_say_what_they_are() -> None:
    from asegen.prototypes.sources import open_library
    from asegen.trained.predictor import load_predictor
    from asegen.trained.relaxer import load_relaxer
    from asegen.trained.samplers import load_generator

    assert repr(asegen.PropertyCalculator(forces=True)) == "PropertyCalculator('alignn-formation-energy', forces=True)"
    assert repr(load_predictor("alignn-metal")) == "<PropertyPredictor: alignn-metal, probability>"
    assert repr(load_generator()).startswith("<StructureSampler: torusflow-mp 8512-")
    assert repr(load_relaxer()).startswith("<Relaxer: empnn-mp ")
    assert repr(open_library("mp")).startswith("<TemplateLibrary: ")
    assert repr(asegen.open_source("diffusion")).startswith("<Diffusion: torusflow-mp 8512-")
    assert repr(asegen.Generator("diffusion")).startswith("<Generator: torusflow-mp 8512-")
    assert repr(asegen.Discoverer(potential=None)).startswith("<Discoverer: ")


def test_type_checkers_see_the_same_names() -> None:
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == asegen._DOORS


def test_importing_asegen_loads_nothing_else() -> None:
    code = """
import sys
before = set(sys.modules)
import asegen
dir(asegen)
found = {name.partition(".")[0] for name in set(sys.modules) - before}
assert found - set(sys.stdlib_module_names) == {"asegen"}, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)
