"""From thousands of candidates to the few that deserve DFT: stages, and a ledger that survives being killed."""

from asegen.screening.ledger import Result, results
from asegen.screening.pipeline import screen
from asegen.screening.recipe import recipe

__all__ = ["Result", "recipe", "results", "screen"]
