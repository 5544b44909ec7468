"""`Turns`: known structure types and models take turns, in fixed shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Protocol

from ase import Atoms
from ase.data import chemical_symbols

from asegen.elements import LAST
from asegen.errors import InputError
from asegen.generation.compositions import composition
from asegen.generation.plan import Sample
from asegen.generation.source import Identity, Source, check_compositions, check_elements
from asegen.generation.sources.diffusion import Diffusion
from asegen.generation.target import Target
from asegen.generation.templates import Templates

TEMPLATE, DIFFUSION, SYMMETRIC, PARTIAL = "template", "diffusion", "symmetric", "partial"
"""Where a structure comes from, in `info["source"]`."""
MODEL_LOG_PRIOR = -4.0
"""Of a structure that a model draws, beside those of templates."""
_RESTART_TIME = 0.6
"""Of the flow, from which it begins with a template; 1 is the template itself."""


class Part(Protocol):
    """One of those that take turns."""

    def has(self, sample: Sample) -> bool:
        """Whether there is a structure for a sample."""
        ...

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`; `Sample.repeat` counts those of this part."""
        ...


class Known:
    """The k-th template of each sample, k its `repeat`.

    Args:
        templates: of known crystals.
    """

    def __init__(self, templates: Templates) -> None:
        self.templates = templates

    def has(self, sample: Sample) -> bool:
        """Whether there are so many templates."""
        return self._kth(sample) is not None

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, each of which there is."""
        return self.templates.with_volumes([atoms for s in samples if (atoms := self._kth(s)) is not None])

    def _kth(self, sample: Sample) -> Atoms | None:
        return self.templates.kth(sample.target, sample.repeat)


class Drawn:
    """What a source draws, under a name of its own.

    Args:
        source: that draws.
        name: for `info["source"]`.
    """

    def __init__(self, source: Source, name: str) -> None:
        self._source, self._name = source, name

    def has(self, sample: Sample) -> bool:
        """Always."""
        return True

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample."""
        drawn = self._source.propose([sample.in_cell for sample in samples], seeds, steps)
        for atoms in drawn:
            atoms.info |= {"source": self._name, "log_prior": MODEL_LOG_PRIOR}
        return drawn


class Restarted:
    """The flow of a model, begun with templates under noise.

    Args:
        known: the templates.
        diffusion: the model.
    """

    def __init__(self, known: Known, diffusion: Diffusion) -> None:
        self._known, self._diffusion = known, diffusion

    def has(self, sample: Sample) -> bool:
        """Whether there is a template, and a model that can begin with it."""
        return self._diffusion.restarts and self._known.has(sample)

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample."""
        templates = self._known.propose(samples, seeds, steps)
        drawn = self._diffusion.restart(templates, seeds, _RESTART_TIME, steps)
        for atoms, template in zip(drawn, templates, strict=True):
            atoms.info = {name: template.info[name] for name in ("template", "template_distance")}
            atoms.info |= {"source": PARTIAL, "log_prior": MODEL_LOG_PRIOR}
        return drawn


class Turns(Source):
    """Parts take turns in fixed shares, beginning with templates; what a part lacks, a model draws if there is one.

    `info` says method, has_template (of the formula), source (the part's name) and log_prior (how likely the structure
    is to be right, as a logarithm, for a ranking), beside what the part says. Elements that a model wasn't trained on
    leave templates only, of which there may be fewer.

    Args:
        method: its name.
        templates: of known crystals.
        models: that draw; the first one's steps are the default. Without any there may be fewer structures.
        parts: by name; `TEMPLATE` is among them, and `DIFFUSION`, which fills the gaps, if there are models.
        shares: of the parts, sum 1.
    """

    chooses_cells = True
    mixes_known_types = True

    def __init__(
        self,
        method: str,
        templates: Templates,
        models: Sequence[Identity],
        parts: Mapping[str, Part],
        shares: Mapping[str, float],
    ) -> None:
        self.method, self.templates, self._parts = method, templates, parts
        self.identity = _together(method, templates, models)
        self._models = "+".join(model.name for model in models)
        self.may_lack = not models
        known = [model.elements for model in models]
        self._model_elements = frozenset.intersection(*known) if known else frozenset()
        self._shares = tuple(shares.items())

    def settings(self) -> dict[str, object]:
        """What decides volumes, and which element takes the place of which."""
        return {"volumes": self.templates.volumes, "element_map": sorted(self.templates.element_map.items())}

    def unit_votes(self, target: Target) -> Mapping[int, float]:
        """Those of the templates."""
        return self.templates.library.unit_votes(target.numbers)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses early what can't be drawn.

        Raises:
            InputError: as `Source.check`; an exchange of elements that gives none of the formulas; or an element that a
                model wasn't trained on, in a formula that has fewer templates than structures are asked for, unless
                forced.
        """
        check_compositions(self.method, targets)
        self._check_element_map(targets)
        check_elements(self.identity, targets, force)
        if not self._models:
            self._check_templates(targets)
            return
        for target, wanted in Counter(target.anonymous for target in targets).items():
            foreign = set(target.numbers) - self._model_elements
            if foreign and not force and not self._has_template(target, wanted - 1):
                raise InputError(
                    f"{target.formula} has fewer than {wanted} templates, and {self._models} has no training data with "
                    f"{chemical_symbols[min(foreign)]}; force draws all the same",
                    "force",
                )

    def _check_element_map(self, targets: Sequence[Target]) -> None:
        """Refuses new elements that are in no formula together: no template could have its elements exchanged so."""
        exchange = self.templates.element_map
        new = set(exchange.values())
        if not targets or any(new <= set(target.numbers) for target in targets):
            return
        first = targets[0].composition
        assert first is not None  # `check_compositions` has looked
        missing = ", ".join(chemical_symbols[z] for z in sorted(new - set(first.numbers)))
        pairs = " ".join(f"{chemical_symbols[old]}:{chemical_symbols[z]}" for old, z in exchange.items())
        meant = composition(Counter(chemical_symbols[exchange.get(z, z)] for z in first.numbers))
        fits = new <= set(meant.numbers)
        raise InputError(
            f"element_map = {pairs}: {missing} is not in {first.formula}{f'; write {meant.formula}' * fits}",
            "element_map",
        )

    def _check_templates(self, targets: Sequence[Target]) -> None:
        if not any(self._has_template(target) for target in dict.fromkeys(t.anonymous for t in targets)):
            mapped = " with these elements exchanged" if self.templates.element_map else ""
            raise InputError(f"no template of {targets[0].formula}{mapped}: name a model that draws it", "model")

    def can_draw(self, sample: Sample) -> bool:
        """Not what only a model could draw that isn't there, or doesn't know the elements where there are templates."""
        if not self._models:
            return self._has_template(sample.target, sample.repeat)
        known = set(sample.target.numbers) <= self._model_elements
        return known or self._has_template(sample.target) == (self._turn(sample)[0] == TEMPLATE)

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`."""
        turns = [self._turn(sample) for sample in samples]
        made: dict[int, Atoms] = {}
        for name, part in self._parts.items():
            own = [k for k, (turn, _) in enumerate(turns) if turn == name]
            if own:
                counted = [replace(samples[k], repeat=turns[k][1]) for k in own]
                made |= zip(own, part.propose(counted, [seeds[k] for k in own], steps), strict=True)
        for k, sample in enumerate(samples):
            made[k].info |= {"method": self.method, "has_template": self._has_template(sample.target)}
        return [made[k] for k in range(len(samples))]

    def _has_template(self, target: Target, k: int = 0) -> bool:
        return self._parts[TEMPLATE].has(Sample(0, target, k))

    def _turn(self, sample: Sample) -> tuple[str, int]:
        """The part that a structure comes from, and how many of its formula come from there before it."""
        name, place = turns_of(self._shares, sample.repeat + 1)[sample.repeat]
        if not set(sample.target.numbers) <= self._model_elements and self._has_template(sample.target):
            name, place = TEMPLATE, sample.repeat
        return (name if self._parts[name].has(replace(sample, repeat=place)) else DIFFUSION), place


@cache
def turns_of(shares: tuple[tuple[str, float], ...], n: int) -> list[tuple[str, int]]:
    """The parts of the first `n` structures, each with a count of its own; more structures begin with the same.

    Args:
        shares: name and share of each part.
        n: structures.
    """
    given = {name: 0 for name, _ in shares}
    found = []
    for k in range(1, n + 1):
        name = max(shares, key=lambda part: k * part[1] - given[part[0]])[0]
        found.append((name, given[name]))
        given[name] += 1
    return found


def _together(method: str, templates: Templates, models: Sequence[Identity]) -> Identity:
    return Identity(
        "+".join([method, *(model.name for model in models)]),
        "+".join([templates.library.checksum, *(model.version for model in models)]),
        frozenset(range(1, LAST + 1)),
        max([templates.library.max_atoms, *(model.max_atoms for model in models)]),
        models[0].default_steps if models else 1,
    )
