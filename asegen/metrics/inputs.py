"""What metrics are given and what they give back: samples that have met the validity gate, and figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.cif import StructureError
from asegen.errors import InputError
from asegen.structure_checks import check_atoms
from asegen.structure_files import number, read_entries, read_entry

Floats = NDArray[np.float64]
Result = TypeVar("Result")

Report = Callable[[str, int, int], None]
"""Called with what is being done, how many pieces of it are, and how many there are."""


@dataclass(frozen=True)
class Sample:
    """A structure, good or bad.

    Attributes:
        id: pairs a generated structure with its reference.
        atoms: None where the file's entry could not be read.
        reason: why the validity gate (`asegen.structure_checks.check_atoms`) refuses it, `kind: detail`; empty if it
            doesn't.
        above_hull: energy above the convex hull, eV/atom, that the file or `Atoms.info` gives as `energy_above_hull`;
            NaN where it gives none.
        calculator: what that energy was computed with, given as `calculator`; empty where it isn't said.
    """

    id: str
    atoms: Atoms | None
    reason: str
    above_hull: float = math.nan
    calculator: str = ""


class Embedder(Protocol):
    """What turns crystals into rows of numbers, such as `asegen.metrics.embedding.NetworkEmbedder`.

    Attributes:
        name: of the network.
        digest: of its weights.
    """

    name: str
    digest: str

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """(n, 1 + d): formation energy, eV/atom, then the embedding; NaN throughout where there is none."""


@dataclass(frozen=True)
class Inputs:
    """The structures that metrics compare, and how to work on them.

    Attributes:
        generated: what is judged.
        reference: real crystals that the generated ones should resemble; empty if there are none.
        train: real crystals that the generator has seen; empty if there are none.
        jobs: worker processes; no figure depends on it.
        report: told of progress.
        load_embedder: makes the network behind Fréchet distances and energies, when it is first needed.
        cache: a folder that keeps fingerprints of crystals, or None.
        known_rows: fingerprints that one metric made and another may need, by `asegen.metrics.cache.content_key`.
    """

    generated: tuple[Sample, ...]
    reference: tuple[Sample, ...] = ()
    train: tuple[Sample, ...] = ()
    jobs: int = 1
    report: Report = lambda task, done, total: None
    load_embedder: Callable[[], Embedder] | None = None
    cache: Path | None = None
    known_rows: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def watch(self, task: str, results: Iterable[Result], total: int) -> Iterator[Result]:
        """The results themselves, each reported as it comes."""
        for done, result in enumerate(results, 1):
            self.report(task, done, total)
            yield result

    @cached_property
    def valid_generated(self) -> list[Atoms]:
        """Those that pass the gate."""
        return valid(self.generated)

    @cached_property
    def valid_reference(self) -> list[Atoms]:
        """Those that pass the gate."""
        return valid(self.reference)

    @cached_property
    def embedder(self) -> Embedder:
        """The network behind Fréchet distances and energies.

        Raises:
            InputError: there is none, or it can't be loaded.
        """
        if self.load_embedder is None:
            raise InputError("no network to embed crystals with")
        return self.load_embedder()

    @cached_property
    def generated_rows(self) -> Floats:
        """(n, 1 + d), of the embedder, for those that pass the gate."""
        return self.embedder.rows(self.valid_generated, self, "embedding generated")

    @cached_property
    def reference_rows(self) -> Floats:
        """(n, 1 + d), of the embedder, for those that pass the gate."""
        return self.embedder.rows(self.valid_reference, self, "embedding reference")


@dataclass(frozen=True)
class Figures:
    """What a metric found.

    Attributes:
        values: name, with its unit where it has one, -> value; NaN where nothing could be measured.
        counts: what the values rest on: name -> number of structures.
        notes: warnings, one line each.
        using: what the values depend on besides the structures, such as a network's name and its file's hash.
    """

    values: dict[str, float]
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    using: dict[str, str] = field(default_factory=dict)


def reduced_formula(atoms: Atoms) -> str:
    """Elements in alphabetical order (C and H first) with their numbers in lowest terms: equal for equal compositions.

    Args:
        atoms: at least one atom, real elements.
    """
    return str(atoms.symbols.formula.reduce()[0].format("hill"))


def valid(samples: Iterable[Sample]) -> list[Atoms]:
    """The structures that pass the gate."""
    return [sample.atoms for sample in samples if sample.atoms is not None and not sample.reason]


def as_samples(structures: Path | Iterable[Atoms]) -> tuple[Sample, ...]:
    """Structures of a file, or in memory, each held against the validity gate.

    Args:
        structures: a file that `asegen.atoms.read_structures` reads, or Atoms, whose id is `info["material_id"]` or
            their place.

    Raises:
        InputError: the file can't be read, or there are no structures.
    """
    if isinstance(structures, Path):
        samples = tuple(_read(structures))
    else:
        samples = tuple(_sample(str(a.info.get("material_id", row)), a, a.info) for row, a in enumerate(structures))
    if not samples:
        raise InputError(f"{structures if isinstance(structures, Path) else 'the list'} holds no structures")
    return samples


def _read(path: Path) -> Iterator[Sample]:
    for entry in read_entries(path):
        try:
            name, atoms, values = read_entry(entry)
            yield _sample(name, atoms, values)
        except StructureError as error:
            yield Sample(entry.id, None, str(error))


def _sample(name: str, atoms: Atoms, values: Mapping[str, object]) -> Sample:
    above_hull = number(values.get("energy_above_hull"))
    return Sample(
        name,
        atoms,
        check_atoms(atoms) or "",
        math.nan if above_hull is None else above_hull,
        str(values.get("calculator", "")),
    )
