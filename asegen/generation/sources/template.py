"""`TemplateGenerator`: crystals of given compositions in the structures of known crystals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import spglib
from ase import Atoms
from ase.data import chemical_symbols

from asegen.calculators.relaxer import relax_structures
from asegen.elements import LAST
from asegen.errors import InputError
from asegen.generation.compositions import Composition
from asegen.generation.generator import Generator
from asegen.generation.plan import Sample
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN, open_library
from asegen.prototypes.substitution import substituted, substitutions
from asegen.relaxation.relax import CONVERGED, OUT_OF_STEPS
from asegen.structures.matching import USUAL, Distinct
from asegen.structures.validity import check_atoms, found_by_spglib
from asegen.trained.relaxer import Relaxer, load_relaxer

TEMPLATE, DIFFUSION = "template", "diffusion"
DIFFUSION_PROMISE = -4.0
"""Of a structure that a model draws."""
SYMPREC = 0.01
"""Å, of the space group that `info` names."""
_LOOKED_AT = 10
"""Substitutions that are compared with those before, per structure asked for; they are mostly copies."""
_REMEMBERED = 1000
"""Formulas whose templates are remembered."""
Sampling = Callable[[Sequence[Sample], Sequence[int], int | None], list[Atoms]]


@dataclass
class _Templates:
    """What stands in `info` for templates together with the model that fills their gaps; a `Source`."""

    name: str
    version: str
    elements: frozenset[int]
    max_atoms: int
    default_steps: int


class TemplateGenerator(Generator):
    """Substitutes elements in known crystals, the most promising first; used like `Generator`.

    The structures of a formula are different crystals all of them, of one structure type after the other, in the order
    of the votes of chemically similar known crystals (see `substitutions`), without randomness.
    Their volumes are those to which the learned relaxer would bring them, shapes and positions the known crystal's.
    Where there are fewer than were asked for, a trained model draws the rest. `info["source"]` is "template" or
    "diffusion"; promise says how likely the structure is to be right, as a logarithm, for a ranking; templates add
    template (the known crystal's identifier), template_distance (of the elements exchanged), spacegroup and
    spacegroup_symbol (spglib's, within `SYMPREC`).

    Args:
        templates: see `asegen.prototypes.sources.open_library`; a library that is open already will do.
        model: draws what has no template; see `Generator`, as all below.
        device: where the model computes.
        batch_size: structures drawn at once.
        quick: one rough trajectory per structure that the model draws, and volumes of atoms for a template.

    Raises:
        InputError: no such templates, model or device.
        CheckpointError: weights that can't be read.
    """

    method = TEMPLATE

    def __init__(
        self,
        templates: str | TemplateLibrary = KNOWN,
        model: str | None = None,
        device: str = "auto",
        batch_size: int = 64,
        quick: bool = False,
    ) -> None:
        super().__init__(model, device, batch_size, quick)
        self.library = open_library(templates) if isinstance(templates, str) else templates
        self._relaxer = None if quick else load_relaxer(None, device)
        of_model = self.sampler
        self.sampler = _Templates(
            f"template+{of_model.name}",
            f"{self.library.checksum}+{of_model.version}",
            frozenset(range(1, LAST + 1)),
            max(of_model.max_atoms, self.library.max_atoms),
            of_model.default_steps,
        )
        self._model_elements = of_model.elements
        self._made: dict[str, tuple[list[Atoms], Iterator[Atoms]]] = {}

    def settings(self) -> dict[str, object]:
        """What decides the structures beside compositions, seeds and the model, for the fingerprint of a run."""
        relaxer = None if self._relaxer is None else f"{self._relaxer.name} {self._relaxer.version}"
        return super().settings() | {"volumes": relaxer}

    def check(self, compositions: Sequence[Composition], steps: int | None, force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: as `Generator.check`; or an element that the model wasn't trained on, in a formula that has
                fewer templates than structures are asked for, unless forced.
        """
        super().check(compositions, steps, force)
        for item, wanted in Counter(replace(c, material_id=None) for c in compositions).items():
            foreign = set(item.numbers) - self._model_elements
            if foreign and not force and self.from_template(item, wanted - 1) is None:
                symbol = chemical_symbols[min(foreign)]
                raise InputError(
                    f"{item.formula} has fewer than {wanted} templates, and {self._structures.name} has no training "
                    f"data with {symbol}; --force draws all the same"
                )

    def is_sensible(self, sample: Sample) -> bool:
        """Not what only a model could draw that doesn't know the elements, where there are templates."""
        known = set(sample.composition.numbers) <= self._model_elements
        return known or self._has_template(sample.composition) == self._is_template(sample)

    def _has_template(self, composition: Composition) -> bool:
        return self.from_template(composition, 0) is not None

    def _is_template(self, sample: Sample) -> bool:
        return self._turn(sample)[0] == TEMPLATE

    def _turn(self, sample: Sample) -> tuple[str, int]:
        """Where a structure comes from, and the how-manieth of its formula from there it is."""
        found = self.from_template(sample.composition, sample.repeat)
        return DIFFUSION if found is None else TEMPLATE, sample.repeat

    def _sources(self) -> dict[str, Sampling]:
        return {TEMPLATE: self._from_templates, DIFFUSION: self._from_model}

    def sample(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample; arguments as in `Generator.sample`."""
        turns = [self._turn(sample) for sample in batch]
        made: dict[int, Atoms] = {}
        for source, function in self._sources().items():
            own = [k for k, (turn, _) in enumerate(turns) if turn == source]
            if own:
                samples = [replace(batch[k], repeat=turns[k][1]) for k in own]
                made |= zip(own, function(samples, [seeds[k] for k in own], steps), strict=True)
        for k, sample in enumerate(batch):
            made[k].info |= {"method": self.method, "has_template": self._has_template(sample.composition)}
        return [made[k] for k in range(len(batch))]

    def _from_templates(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """The k-th template of each sample, k its `repeat`; there have to be so many."""
        drawn = [self.from_template(sample.composition, sample.repeat) for sample in batch]
        found = [atoms for atoms in drawn if atoms is not None]
        return found if self._relaxer is None else _with_volumes(found, self._relaxer)

    def _from_model(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """Drawn by the model."""
        drawn = super().sample(batch, seeds, steps)
        for atoms in drawn:
            atoms.info |= {"source": DIFFUSION, "promise": DIFFUSION_PROMISE}
        return drawn

    def from_template(self, composition: Composition, k: int) -> Atoms | None:
        """The composition in the k-th most promising structure, from 0; None where there are fewer."""
        if composition.formula not in self._made:
            if len(self._made) >= _REMEMBERED:
                self._made.pop(next(iter(self._made)))  # the oldest
            self._made[composition.formula] = [], self._nearest(composition)
        found, more = self._made[composition.formula]
        while len(found) <= k:
            atoms = next(more, None)
            if atoms is None:
                return None
            found.append(atoms)
        return found[k].copy()

    def _nearest(self, composition: Composition) -> Iterator[Atoms]:
        """Different crystals, the most promising first, atoms in the formula's order."""
        seen, different = Distinct(USUAL), 0
        for looked_at, atoms in enumerate(self._substituted(composition)):
            if looked_at > _LOOKED_AT * (different + 1):
                return
            if seen.add(atoms).earlier is None:
                different += 1
                yield _with_group(atoms)

    def _substituted(self, composition: Composition) -> Iterator[Atoms]:
        """What passes the gate: one crystal of each structure type, then the others, which mostly are copies."""
        ways = substitutions(self.library, composition.numbers)
        for way in chain((way for way in ways if way.first), (way for way in ways if not way.first)):
            atoms = _in_order(substituted(self.library, way), composition)
            if check_atoms(atoms) is None:
                atoms.info = {
                    "source": TEMPLATE,
                    "promise": round(way.promise, 4),
                    "template": self.library.ids[way.template],
                    "template_distance": round(way.distance, 4),
                }
                yield atoms


def _with_volumes(structures: Sequence[Atoms], relaxer: Relaxer) -> list[Atoms]:
    """As large as the relaxer makes them, where it succeeds; copies of one type stay as different as they are."""
    found = [atoms.copy() for atoms in structures]
    for atoms, record in zip(found, relax_structures(structures, relaxer), strict=True):
        if record.status in (CONVERGED, OUT_OF_STEPS):
            ratio = record.atoms.get_volume() / atoms.get_volume()
            atoms.set_cell(atoms.cell * ratio ** (1 / 3), scale_atoms=True)
    return found


def _with_group(atoms: Atoms) -> Atoms:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    group = found_by_spglib(spglib.get_symmetry_dataset, cell, symprec=SYMPREC)
    if group is not None:
        atoms.info |= {"spacegroup": group.number, "spacegroup_symbol": group.international}
    return atoms


def _in_order(atoms: Atoms, composition: Composition) -> Atoms:
    """The atoms in the order of a composition's elements."""
    places = {z: k for k, z in enumerate(dict.fromkeys(composition.numbers))}
    return atoms[sorted(range(len(atoms)), key=lambda a: places[int(atoms.numbers[a])])]
