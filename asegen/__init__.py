"""New inorganic crystals for ASE: generate them, relax them, predict their properties, find the few worth computing.

    from asegen import Generator, PropertyCalculator, evaluate, predict, relax_structures, screen

    crystals = Generator().generate("SrTiO3", n=8)                 # list of ase.Atoms
    relaxed = [found.atoms for found in relax_structures(crystals)]  # without energies or forces
    gaps = predict(relaxed, "alignn-band-gap")                     # eV, with standard deviations
    relaxed[0].calc = PropertyCalculator("alignn-formation-energy")
    relaxed[0].get_potential_energy()                              # eV
    best = screen(relaxed, "screening", "chgnet")                  # by energy above the hull
    print(evaluate(relaxed, reference="test.csv.gz"))              # validity, coverage, match rate ...

What to begin with:

    Discoverer           new crystals of any composition, stable, with properties that are asked for
    Generator            crystals of a formula, a chemical system or a space group, from any source
    Request              what is asked for, where a formula alone doesn't say it
    Ranking              by what energy candidates are ordered, and how many are drawn
    open_source          a source of structures by name, with a model or templates of your own
    LearnedRelaxer       pulls a rough crystal to a sensible cell and positions; used like an optimiser of ASE
    relax_structures     the same for many crystals at once
    relax_with_calculator
                         to the minimum of any calculator's energy, or of its enthalpy at a pressure
    PropertyCalculator   a predicted energy as a calculator of ASE
    predict              properties of many crystals, with uncertainties
    screen               from many candidates to the few that deserve DFT
    evaluate             how good generated crystals are

Everything works offline with the weights inside the package, on a CPU or a GPU. The command `asegen` does the same from
a shell. Importing `asegen` loads neither torch nor ASE: each name loads what it needs when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asegen.calculators.calculator_relaxation import relax_with_calculator as relax_with_calculator
    from asegen.calculators.learned_relaxation import relax_structures as relax_structures
    from asegen.calculators.property import PropertyCalculator as PropertyCalculator
    from asegen.calculators.property import predict as predict
    from asegen.calculators.relaxer import LearnedRelaxer as LearnedRelaxer
    from asegen.discovery.discoverer import Discoverer as Discoverer
    from asegen.generation.generator import Generator as Generator
    from asegen.generation.ranking import Ranking as Ranking
    from asegen.generation.request import Request as Request
    from asegen.generation.sources.registry import open_source as open_source
    from asegen.metrics.evaluation import evaluate as evaluate
    from asegen.screening import screen as screen

__version__ = "0.3.0"

# What spglib can't decide within a tolerance is answered by another one; its C library would print each on stderr.
os.environ.setdefault("SPGLIB_WARNING", "OFF")

_DOORS = {
    "Discoverer": "asegen.discovery.discoverer",
    "Generator": "asegen.generation.generator",
    "LearnedRelaxer": "asegen.calculators.relaxer",
    "PropertyCalculator": "asegen.calculators.property",
    "Ranking": "asegen.generation.ranking",
    "Request": "asegen.generation.request",
    "evaluate": "asegen.metrics.evaluation",
    "open_source": "asegen.generation.sources.registry",
    "predict": "asegen.calculators.property",
    "relax_structures": "asegen.calculators.learned_relaxation",
    "relax_with_calculator": "asegen.calculators.calculator_relaxation",
    "screen": "asegen.screening",
}
"""Names that are loaded when they are first used, and the module of each."""

__all__ = [
    "Discoverer",
    "Generator",
    "LearnedRelaxer",
    "PropertyCalculator",
    "Ranking",
    "Request",
    "evaluate",
    "open_source",
    "predict",
    "relax_structures",
    "relax_with_calculator",
    "screen",
]


def __getattr__(name: str) -> Any:
    if name not in _DOORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_DOORS[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
