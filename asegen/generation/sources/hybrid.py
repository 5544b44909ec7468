"""`HybridGenerator`: candidates of known structure types and of both diffusion models, in one ranking."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from ase import Atoms

from asegen.generation.plan import Sample
from asegen.generation.ranked import CANDIDATES, RankedGenerator
from asegen.generation.rankers import ALIGNN
from asegen.generation.sources.symmetric import SymmetricGenerator
from asegen.generation.sources.template import DIFFUSION, DIFFUSION_PROMISE, TEMPLATE, Sampling, TemplateGenerator
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sources import KNOWN
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms
from asegen.structures.validity import niggli_reduce

SYMMETRIC, PARTIAL = "symmetric", "partial"
_SHARES = {TEMPLATE: 0.6, DIFFUSION: 0.25, SYMMETRIC: 0.1, PARTIAL: 0.05}
_RESTART_TIME = 0.6
"""Of the flow, from which it begins with a template; 1 is the template itself."""


class HybridCandidates(TemplateGenerator):
    """The candidates of `HybridGenerator`: the sources take turns, in fixed shares, beginning with templates.

    `info["source"]` is "template", "diffusion", "symmetric" (the flow with space groups, drawn together with what is
    where from those of known crystals) or "partial" (the flow, begun with a template under noise); templates and what
    began with one have template and template_distance too, and all have a promise. What lacks a template is drawn by
    the flow instead. Elements that a model wasn't trained on leave templates only, of which there may be fewer.

    Args:
        templates: see `TemplateGenerator`, as all but the last.
        model: draws without symmetry.
        device: where models compute.
        batch_size: structures drawn at once.
        quick: every trajectory of a model is a structure of its own: the choice is then left to a ranking.
        symmetric_model: draws with symmetry; see `SymmetricGenerator`.
    """

    method = "hybrid"

    def __init__(
        self,
        templates: str | TemplateLibrary = KNOWN,
        model: str | None = None,
        device: str = "auto",
        batch_size: int = 64,
        quick: bool = False,
        symmetric_model: str | None = None,
    ) -> None:
        super().__init__(templates, model, device, batch_size, quick)
        self.symmetric = SymmetricGenerator(model=symmetric_model, device=device, batch_size=batch_size, quick=quick)
        other = self.symmetric.sampler
        self._model_elements &= other.elements
        self.sampler.name = f"hybrid+{self._structures.name}+{other.name}"
        self.sampler.version += f"+{other.version}"

    def _turn(self, sample: Sample) -> tuple[str, int]:
        if not set(sample.composition.numbers) <= self._model_elements and self._has_template(sample.composition):
            return super()._turn(sample)
        source, place = _turns(sample.repeat + 1)[sample.repeat]
        gap = source in (TEMPLATE, PARTIAL) and self.from_template(sample.composition, place) is None
        if gap or (source == PARTIAL and not self._structures.restarts):
            return DIFFUSION, place
        return source, place

    def _sources(self) -> dict[str, Sampling]:
        return {**super()._sources(), SYMMETRIC: self._with_symmetry, PARTIAL: self._restarted}

    def _with_symmetry(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        drawn = self.symmetric.sample(batch, seeds, steps)
        for atoms in drawn:
            atoms.info |= {"source": SYMMETRIC, "promise": DIFFUSION_PROMISE}
        return drawn

    def _restarted(self, batch: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        templates = self._from_templates(batch, seeds, steps)
        reduced = crystals_from_atoms([_reduced(atoms) for atoms in templates])
        drawn = atoms_from_crystals(self._structures.restart(reduced, torch.tensor(seeds), _RESTART_TIME, steps))
        for atoms, template in zip(drawn, templates, strict=True):
            names = ("template", "template_distance")
            atoms.info = {name: template.info[name] for name in names}
            atoms.info |= {"source": PARTIAL, "promise": DIFFUSION_PROMISE}
        return drawn


@cache
def _turns(n: int) -> list[tuple[str, int]]:
    """The sources of the first `n` candidates, each with a count of its own; more candidates begin with the same."""
    given = dict.fromkeys(_SHARES, 0)
    found = []
    for k in range(1, n + 1):
        source = max(_SHARES, key=lambda name: k * _SHARES[name] - given[name])
        found.append((source, given[source]))
        given[source] += 1
    return found


def _reduced(atoms: Atoms) -> Atoms:
    """In the Niggli cell, as in training."""
    cell, positions = niggli_reduce(atoms.cell.array, atoms.get_scaled_positions())
    return Atoms(atoms.numbers, cell=cell, scaled_positions=positions, pbc=True)


class HybridGenerator(RankedGenerator):
    """Known structure types first, new ones dreamt up beside them, in one ranking; used like `Generator`.

    The candidates are `HybridCandidates`'s, ranked as `RankedGenerator` does.

    Args:
        templates: known crystals: a file, a split of `asegen ingest`, "aflow", or a library that is open already;
            by default those that the shipped models were trained on.
        model: draws without symmetry, and begins with templates; the default model without it.
        rank: "none", "alignn", "chgnet", or a calculator's name, see `asegen.generation.rankers.find_ranker`.
        candidates: of each formula; `generate` gives the best `n` of them.
        relax_steps: of the calculator that ranks.
        device: where models compute.
        batch_size: structures drawn at once.

    Raises:
        InputError: no such templates, model, device or ranking.
        CheckpointError: weights that can't be read.
        AsegenError: the calculator's package is missing.
    """

    def __init__(
        self,
        templates: str | TemplateLibrary = KNOWN,
        model: str | None = None,
        rank: str = ALIGNN,
        candidates: int = CANDIDATES,
        relax_steps: int = 0,
        device: str = "auto",
        batch_size: int = 64,
    ) -> None:
        source = HybridCandidates(templates, model, device, batch_size, quick=True)
        super().__init__(source, rank, candidates, relax_steps, device)
