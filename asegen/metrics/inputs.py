"""What metrics are given and what they give back: samples that have met the validity gate, and figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from asegen.errors import InputError
from asegen.metrics.cache import Row
from asegen.metrics.protocols import CLASSIC
from asegen.metrics.protocols import Protocol as Tolerances
from asegen.parallel.processes import Processes
from asegen.parallel.timed_map import Failed
from asegen.structures.errors import StructureError
from asegen.structures.formats import file_format, files_in
from asegen.structures.given import Structures, as_list
from asegen.structures.reading import read_entry
from asegen.structures.several import entries_of
from asegen.structures.tables import number
from asegen.structures.validity import check_atoms

Floats = NDArray[np.float64]
Result = TypeVar("Result")

MP20_CUTOFFS = (0.4, 10.0)
"""CDVAE's cutoffs of COV, of structures and compositions, for MP-20. For Perov-5 and Carbon-24 it takes 0.2 and 4."""

Report = Callable[[str, int, int], None]
"""Called with what is being done, how many pieces of it are, and how many there are."""


_ABOVE_HULL = ("energy_above_hull", "e_hull")
"""Names of the energy above the hull: the Materials Project's, and that of `asegen screen`."""

_CALCULATOR = ("calculator", "energy_scale")
"""Names of what it was computed with; the second is that of `asegen screen`."""


@dataclass(frozen=True)
class Sample:
    """A structure, good or bad.

    Attributes:
        id: pairs a generated structure with its reference.
        atoms: None where the file's entry could not be read.
        reason: why the validity gate (`asegen.structures.validity.check_atoms`) refuses it, `kind: detail`; empty if it
            doesn't.
        above_hull: energy above the convex hull, eV/atom, that the file or `Atoms.info` gives as `energy_above_hull` or
            `e_hull`; NaN where it gives none.
        calculator: what that energy was computed with, given as `calculator` or `energy_scale`; empty where it isn't
            said.
    """

    id: str
    atoms: Atoms | None
    reason: str
    above_hull: float = math.nan
    calculator: str = ""


class Embedder(Protocol):
    """What turns crystals into rows of numbers, such as `asegen.metrics.embedding.NetworkEmbedder`.

    Attributes:
        name: of the network, and of what its energies refer to where that needs words.
        digest: SHA-256 of its weights, hexadecimal.
    """

    name: str
    digest: str

    def rows(self, structures: Sequence[Atoms], inputs: Inputs, task: str) -> Floats:
        """(n, 1 + d): formation energy, eV/atom, then the embedding; NaN throughout where there is none.

        Args:
            structures: each passes the validity gate.
            inputs: told of progress; its `cache` may keep what was computed.
            task: what progress is told of.
        """


def check_embedder(given: object) -> None:
    """Refuses what is neither the name of an embedder nor one.

    Args:
        given: as `evaluate` takes it.

    Raises:
        InputError: see above.
    """
    if not isinstance(given, str | Path) and not callable(getattr(given, "rows", None)):
        raise InputError(f"embedder = {given!r:.60}: a name, a path or an embedder is needed", "embedder")


class Embedded(NamedTuple):
    """What a network made of both sides.

    Attributes:
        generated: (n, 1 + d), of those for which the network has an answer.
        reference: (m, 1 + d).
        lost: for how many crystals of both sides it has none.
        using: its name and the hash of its weights.
    """

    generated: Floats
    reference: Floats
    lost: int
    using: dict[str, str]


@dataclass(frozen=True)
class Inputs:
    """The structures that metrics compare, and how to work on them.

    Attributes:
        generated: what is judged.
        reference: real crystals that the generated ones should resemble; empty if there are none.
        train: real crystals that the generator has seen; empty if there are none.
        workers: how many worker processes, or a pool of them; no figure depends on it.
        report: told of progress.
        embedders: makes the networks behind Fréchet distances and energies, by the metric that asks.
        cov_cutoffs: largest distances of structures and of compositions that COV calls near.
        cache: a folder that keeps rows of numbers about crystals and pairs of them, or None.
        protocol: by what tolerances crystals are alike, where a metric leaves that open.
        potential: name of what relaxes crystals.
        known: those rows, or why there are none, by `asegen.metrics.cache.content_key`, as far as this run has them.
    """

    generated: tuple[Sample, ...]
    reference: tuple[Sample, ...] = ()
    train: tuple[Sample, ...] = ()
    workers: int | Processes = 1
    report: Report = lambda task, done, total: None
    embedders: Mapping[str, Callable[[], Embedder]] = field(default_factory=dict)
    cov_cutoffs: tuple[float, float] = MP20_CUTOFFS
    cache: Path | None = None
    protocol: Tolerances = CLASSIC
    potential: str = "chgnet"
    known: dict[str, Row | Failed] = field(default_factory=dict)
    _embedded: dict[str, Embedded] = field(default_factory=dict, repr=False)

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

    def embedded(self, metric: str) -> Embedded:
        """Both sides, those that pass the gate, as the metric's network sees them; computed once for each network.

        Args:
            metric: a key of `embedders`.

        Raises:
            InputError: the network can't be loaded.
        """
        embedder = self.embedders[metric]()
        if embedder.digest not in self._embedded:
            rows = embedder.rows([*self.valid_generated, *self.valid_reference], self, embedder.name)
            sides = rows[: len(self.valid_generated)], rows[len(self.valid_generated) :]
            finite = [side[np.isfinite(side).all(1)] for side in sides]
            lost = len(rows) - sum(map(len, finite))
            using = {"network": embedder.name, "sha256": embedder.digest}
            self._embedded[embedder.digest] = Embedded(finite[0], finite[1], lost, using)
        return self._embedded[embedder.digest]


@dataclass(frozen=True)
class Figures:
    """What a metric found.

    Attributes:
        values: name -> value; NaN where nothing could be measured. `asegen.metrics.labels` has words and units.
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


def as_samples(structures: str | Path | Structures) -> tuple[Sample, ...]:
    """Structures of a file, or in memory, each held against the validity gate.

    A file of a folder that can't be read counts as one bad structure where its name says that it is to hold some.

    Args:
        structures: a file or folder of structures, or Atoms or pymatgen's Structures; the id of Atoms is
            `info["material_id"]` or their place.

    Raises:
        InputError: the file can't be read, or there are no structures.
    """
    if isinstance(structures, str | Path):
        samples = tuple(_read(files_in(Path(structures))))
    else:
        several = enumerate(as_list(structures))
        samples = tuple(_sample(str(a.info.get("material_id", row)), a, a.info) for row, a in several)
    if not samples:
        raise InputError(f"{structures if isinstance(structures, str | Path) else 'the list'} holds no structures")
    return samples


def _read(files: Sequence[Path]) -> Iterator[Sample]:
    for path, entry in entries_of(files):
        try:
            name, atoms, values = read_entry(entry)
            yield _sample(name, atoms, values)
        except StructureError as error:
            if file_format(path) is not None or len(files) == 1:  # else it's a README
                yield Sample(entry.id, None, str(error))


def _sample(name: str, atoms: Atoms, values: Mapping[str, object]) -> Sample:
    above_hull = number(next((values[key] for key in _ABOVE_HULL if key in values), None))
    return Sample(
        name,
        atoms,
        str(check_atoms(atoms) or ""),
        math.nan if above_hull is None else above_hull,
        str(next((values[key] for key in _CALCULATOR if key in values), "")),
    )
