"""What a `Generator` draws with: the protocol of sources, and what several of them refuse alike."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ase import Atoms
from ase.data import chemical_symbols

from asegen.elements import LAST
from asegen.errors import InputError
from asegen.generation.plan import Sample
from asegen.generation.target import Target
from asegen.prototypes.formula_units import MAX_ATOMS as USUAL_ATOMS
from asegen.prototypes.formula_units import Units, shares

if TYPE_CHECKING:
    from asegen.trained.samplers import Sampler


@dataclass(frozen=True)
class Identity:
    """What a source is called, and what it knows.

    Attributes:
        name: stands in `info["model"]`.
        version: what distinguishes sources of one name whose structures differ.
        elements: atomic numbers that it can draw.
        max_atoms: of the largest cell that it knows.
        default_steps: steps of the sampler where none are asked for.
    """

    name: str
    version: str
    elements: frozenset[int]
    max_atoms: int
    default_steps: int


class Source(Protocol):
    """Where structures come from. A class that names it as its base has to write `identity` and `propose` alone.

    Attributes:
        identity: name, version and what it knows.
        always_redraws: what fails the validity gate is always drawn again, not only when asked for.
        chooses_cells: of a formula whose cell is open (`Target.cells`) it proposes structures in whichever cell; other
            sources get each sample in one of the cells in turn.
        may_lack: there may be fewer structures than are asked for: those for which it `can_draw`.
        holds_given: structures hold atoms that are given, where they are: nothing may move them.
        keeps_spacegroup: structures have their space groups exactly, and a ranking has to keep them.
        mixes_known_types: structures come from many known crystals, a few of which make no sense for the formula: what
            is predicted to lie far above the hull comes last, unless told otherwise.
    """

    identity: Identity
    always_redraws: bool = False
    chooses_cells: bool = False
    may_lack: bool = False
    holds_given: bool = False
    keeps_spacegroup: bool = False
    mixes_known_types: bool = False

    def __repr__(self) -> str:
        """Name and version of what draws."""
        return f"<{type(self).__name__}: {self.identity.name} {self.identity.version}>"

    @abstractmethod
    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, in order, periodic; what is known of it stands in `info`.

        Args:
            samples: of a plan; `Sample.repeat` counts those of one formula.
            seeds: one for each; the same seed gives the same structure, whatever else is asked for.
            steps: of the sampler; the default without it.

        Returns:
            A `reason` in `info` marks what failed. `Generator` adds the composition, seeds and the gate's verdict.
        """
        ...

    def settings(self) -> dict[str, object]:
        """What decides the structures beside targets, seeds and `identity`; simple values, for the fingerprint."""
        return {}

    def compose(self, targets: Sequence[Target]) -> list[Target]:
        """The targets with compositions where the source chooses them before it draws; in order.

        Raises:
            InputError: it can't.
        """
        return list(targets)

    def unit_votes(self, target: Target) -> Mapping[int, float]:
        """Votes of known crystals for the numbers of formula units that a target's cell may have.

        Args:
            target: with a composition.
        """
        from asegen.prototypes.catalogue import Catalogue  # loads torch

        return Catalogue.shipped().unit_votes(Counter(target.numbers), target.spacegroup)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn.

        Args:
            targets: all that will be asked for, each as often as it will be.
            force: allow elements that the source doesn't know.

        Raises:
            InputError: it can't; names the first reason.
        """
        check_compositions(self.identity.name, targets)
        check_elements(self.identity, targets, force)

    def can_draw(self, sample: Sample) -> bool:
        """Whether there is a structure for a sample, worth drawing as one of several that passed `check` together."""
        return True


def check_source(source: object) -> None:
    """Refuses what can't be a source.

    Args:
        source: to draw with.

    Raises:
        InputError: it has no `identity`, or is a class.
    """
    if isinstance(source, type):
        raise InputError(f"source = {source.__name__}: an object is needed, not its class", "source")
    if not isinstance(getattr(source, "identity", None), Identity):
        raise InputError(f"source = {source!r:.60}: a name or an object of the class Source is needed", "source")


def with_cells(source: Source, targets: Sequence[Target]) -> list[Target]:
    """The targets with the numbers of formula units that are likely, where these are open; in order.

    Args:
        source: knows crystals.
        targets: what is asked for.
    """
    found: dict[Target, tuple[Units, ...]] = {}
    for target in targets:
        key = target.anonymous
        if key.cells == () and key not in found:
            found[key] = _cells_of(source, key)
    return [replace(t, cells=found[t.anonymous]) if t.cells == () else t for t in targets]


def _cells_of(source: Source, target: Target) -> tuple[Units, ...]:
    if max(target.numbers) > LAST:
        return (Units(1, 1.0),)  # whether it can be drawn is the source's to say
    most, trained = target.max_atoms, source.identity.max_atoms
    if most is None and not source.chooses_cells and trained < USUAL_ATOMS:
        most = trained  # a network draws badly what is larger than all that it has seen
    cells = shares(source.unit_votes(target), len(target.numbers), most)
    return cells if source.chooses_cells else replace(target, cells=cells).small_cells


def identity_of(sampler: Sampler) -> Identity:
    """The identity of a source that is one trained model."""
    return Identity(sampler.name, sampler.version, sampler.elements, sampler.max_atoms, sampler.default_steps)


def check_compositions(name: str, targets: Sequence[Target]) -> None:
    """Refuses what isn't a composition alone.

    Args:
        name: of the source.
        targets: what is asked for.

    Raises:
        InputError: a target without composition, or with a space group.
    """
    if any(target.composition is None for target in targets):
        raise InputError(f"{name} needs a composition: name formulas, a system or a file")
    if any(target.spacegroup is not None for target in targets):
        raise InputError(f"{name} draws without a space group: ask symmetric or analogy for one")


def check_elements(identity: Identity, targets: Sequence[Target], force: bool) -> None:
    """Refuses elements that a source doesn't know.

    Args:
        identity: of the source.
        targets: what is asked for.
        force: allow them.

    Raises:
        InputError: an element without training data; all are named.
    """
    foreign: dict[str, str] = {}
    for target in targets:
        for z in set(target.numbers) - identity.elements:
            foreign.setdefault(chemical_symbols[z], target.formula)
    if foreign and not force:
        named = ", ".join(f"{symbol} (in {formula})" for symbol, formula in sorted(foreign.items()))
        raise InputError(f"{identity.name} has no training data with {named}; force draws all the same", "force")
