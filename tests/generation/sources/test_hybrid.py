"""The hybrid's candidates: every source has its turn, and falls back to the flow where there is nothing known."""

from collections import Counter

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from asegen.calculators import Generator, Ranking, Request
from asegen.errors import InputError
from asegen.generation.source import Source
from asegen.generation.sources.hybrid import SHARES
from asegen.generation.sources.turns import turns_of


@pytest.fixture(scope="module")
def candidates(hybrid: Source) -> Generator:
    return Generator(hybrid, order_by="likelihood")


@pytest.fixture(scope="module")
def ranked(hybrid: Source) -> Generator:
    return Generator(hybrid, rank=Ranking("alignn", 8, device="cpu"))


def test_every_source_takes_its_turn(candidates: Generator) -> None:
    found = candidates.generate(Request("CaTiO3", multiples=[1]), n=24, steps=2)
    assert set(Counter(atoms.info["source"] for atoms in found)) == {"template", "diffusion", "symmetric", "partial"}
    assert found[0].info["source"] == "template"
    assert all(sorted(atoms.numbers) == [8, 8, 8, 20, 22] for atoms in found)
    assert all("log_prior" in atoms.info and atoms.info["method"] == "hybrid" for atoms in found)


def turns(n: int) -> list[tuple[str, int]]:
    return turns_of(tuple(SHARES.items()), n)


def test_more_candidates_begin_with_the_same() -> None:
    assert turns(20)[:7] == turns(7)
    for source in {source for source, _ in turns(40)}:
        places = [place for name, place in turns(40) if name == source]
        assert places == list(range(len(places)))


def test_the_best_come_first_and_same_seeds_agree(ranked: Generator) -> None:
    first, second = (ranked.generate("KCl", n=3, seed=5, steps=2) for _ in range(2))
    assert [atoms.info["rank"] for atoms in first] == list(range(1, len(first) + 1))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.positions, b.positions)


def test_without_templates_models_draw_all(candidates: Generator) -> None:
    found = candidates.generate("Na7Cl11", n=6, steps=2)
    assert {atoms.info["source"] for atoms in found} <= {"diffusion", "symmetric"}
    assert not any(atoms.info["has_template"] for atoms in found)


def test_elements_that_no_model_knows_leave_templates(ranked: Generator) -> None:
    found = ranked.generate("RaO", n=8)
    assert found and {atoms.info["source"] for atoms in found} == {"template"}
    with pytest.raises(InputError, match="Ra"):
        ranked.generate("Ra7O11")


def test_flow_from_late_stays_near_its_start(candidates: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """From shortly before the data there is no way to go far."""
    monkeypatch.setattr("asegen.generation.sources.turns._RESTART_TIME", 0.95)
    found = candidates.generate("NaCl", n=24, steps=20)
    drawn = next(atoms for atoms in found if atoms.info["source"] == "partial")
    start = next(atoms for atoms in found if atoms.info.get("template") == drawn.info["template"])
    assert start.info["source"] == "template"
    assert StructureMatcher().fit(*map(AseAtomsAdaptor.get_structure, (drawn, start)))
    assert abs(drawn.cell.volume / start.cell.volume - 1) > 1e-4  # it did move


def test_models_that_cannot_restart_draw_from_noise(candidates: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asegen.trained.samplers.StructureSampler.restarts", False)
    assert "partial" not in {atoms.info["source"] for atoms in candidates.generate("NaCl", n=24, steps=2)}
