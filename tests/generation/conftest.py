"""Sources that several tests draw with, opened once: loading weights and grouping known crystals costs seconds."""

from functools import cache

import pytest

from asegen.calculators import open_source
from asegen.generation.source import Source


@cache
def _rough(name: str, templates: str | None) -> Source:
    model = "torusflow-mp" if name == "template" else None
    return open_source(name, templates=templates, model=model, device="cpu", quick=True)


@pytest.fixture(scope="session")
def diffusion() -> Source:
    """The model alone, one rough trajectory per structure."""
    return _rough("diffusion", None)


@pytest.fixture(scope="session")
def template() -> Source:
    """AFLOW's prototypes, rough, and the model for what has none."""
    return _rough("template", "aflow")


@pytest.fixture(scope="session")
def hybrid() -> Source:
    """AFLOW's prototypes and both models, rough."""
    return _rough("hybrid", "aflow")


@pytest.fixture(scope="session")
def symmetric() -> Source:
    """The model with space groups, rough."""
    return _rough("symmetric", None)


@pytest.fixture(scope="session", autouse=True)
def workers(one_pool: None) -> None:
    """See `one_pool`: files of known crystals are read, and structures compared, by processes that are there."""
