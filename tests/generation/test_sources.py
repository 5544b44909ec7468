"""The protocol and the registry: a source of a few lines is all that a generator needs."""

import pytest
from ase import Atoms
from ase.build import bulk

from asegen.calculators import Generator, Request, open_source
from asegen.generation.source import Identity, Source
from asegen.generation.sources import registry


class Toy(Source):
    """Gives rock salt, of whatever it likes where nothing is named."""

    identity = Identity("toy", "1", frozenset(range(1, 20)), max_atoms=2, default_steps=1)

    def propose(self, samples, seeds, steps):  # noqa: ANN001, ANN201
        pairs = zip(samples, seeds, strict=True)
        return [self._one(sample.target.numbers or (3, 9), 4 + seed / 2**63) for sample, seed in pairs]

    def check(self, targets, force):  # noqa: ANN001, ANN201
        pass

    def _one(self, numbers: tuple[int, ...], a: float) -> Atoms:
        atoms = bulk("NaCl", "rocksalt", a=a)
        atoms.numbers = numbers
        return atoms


def test_a_source_of_a_few_lines(tmp_path) -> None:  # noqa: ANN001
    found = Generator(Toy()).generate("KCl", n=3)
    assert [atoms.info["formula"] for atoms in found] == ["KCl"] * 3
    assert len({atoms.cell.volume for atoms in found}) == 3 and {a.info["model"] for a in found} == {"toy"}


def test_nothing_at_all_is_a_request(tmp_path) -> None:  # noqa: ANN001
    generator = Generator(Toy())
    found = generator.generate(Request(), n=2)
    assert [atoms.info["formula"] for atoms in found] == ["LiF"] * 2 and found[0] != found[1]
    assert generator.run(Request(), tmp_path / "a.cif", n=2).missing == []


def test_a_line_in_the_registry_is_all_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SOURCES, "toy", registry.Entry(f"{__name__}:Toy", ()))
    assert type(open_source("toy")).__name__ == "Toy"
    assert Generator("toy").generate("LiF")[0].info["model_version"] == "1"


def test_every_entry_opens_what_it_names() -> None:
    from importlib import import_module
    from inspect import signature

    for entry in registry.SOURCES.values():
        module, _, name = entry.opener.partition(":")
        assert set(entry.options) <= set(signature(getattr(import_module(module), name)).parameters)
