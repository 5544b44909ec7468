"""Properties that the shipped networks predict of the relaxed candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from typing_extensions import override

from asegen.errors import Reason
from asegen.hull.table import FAR_BELOW, SO_FAR_BELOW, shipped_hull
from asegen.parallel.files import sha256
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import Candidate, Outcome
from asegen.screening.stage import Stage
from asegen.screening.stages.shared import chunks
from asegen.trained.weights import find_weights, shipped_catalogue, shipped_weights

_KNOWN = {
    "alignn-formation-energy": Column(
        "formation_energy_predicted", "by ALIGNN, on the scale of the shipped hull", "number", "eV/atom", "properties"
    ),
    "alignn-band-gap": Column(
        "band_gap_predicted",
        "by ALIGNN, of PBE, which is too small",
        "number",
        "eV",
        "properties",
        page=Shown(55, "Band gap", digits=1),
        tile=Shown(70, "Band gap", digits=1),
        optional=True,
    ),
    "alignn-metal": Column("metal_probability", "that PBE finds no band gap, by ALIGNN", "number", "", "properties"),
    "alignn-bulk-modulus": Column(
        "bulk_modulus_predicted",
        "Voigt-Reuss-Hill, by ALIGNN",
        "number",
        "GPa",
        "properties",
        tile=Shown(71, "Bulk modulus", digits=0),
    ),
    "alignn-shear-modulus": Column(
        "shear_modulus_predicted",
        "Voigt-Reuss-Hill, by ALIGNN",
        "number",
        "GPa",
        "properties",
        tile=Shown(72, "Shear modulus", digits=0),
    ),
}
_ABOVE_HULL = Column(
    "e_hull_predicted",
    "formation_energy_predicted above the shipped hull, of known compositions against known crystals; wrong by about "
    "0.04 eV/atom; doubtful far below 0, which `notes` say",
    "number",
    "eV/atom",
    "properties",
)
_SHIPPED = frozenset(shipped_weights())
PREDICTED = {weights: column for weights, column in _KNOWN.items() if weights in _SHIPPED}
"""Shipped weights -> the column that they fill."""
_DOUBT = f"{SO_FAR_BELOW}, which is no more than the network's error there"
_SECONDS_TO_LOAD = 120.0


@dataclass(frozen=True)
class Properties(Stage):
    """Predicts what the networks of `PREDICTED` know of a crystal, in milliseconds.

    Attributes:
        device: "auto", "cpu", "cuda" …
        at_once: crystals of a group.
    """

    name: ClassVar[str] = "properties"
    columns: ClassVar[tuple[Column, ...]] = (*PREDICTED.values(), _ABOVE_HULL)
    alone: ClassVar[bool] = True
    adds: ClassVar[bool] = True
    device: str = "auto"
    at_once: int = 32

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        return cls(options.device)

    @override
    def settings(self) -> dict[str, Any]:
        files = {weights: find_weights(weights) for weights in PREDICTED} | {"known_crystals": shipped_catalogue()}
        return {name: f"sha256 {sha256(file)[:12]}" for name, file in files.items()}

    @override
    def groups(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        return chunks([candidate.key for candidate in candidates], self.at_once)

    @override
    def work(self, candidates: Sequence[Candidate], supplied: None) -> list[Outcome]:
        from asegen.calculators.property import predict  # loads torch, which the parent process doesn't need
        from asegen.generation.stability import Stability
        from asegen.trained.predictor import shared_predictor

        crystals = [candidate.crystal for candidate in candidates]
        found: list[dict[str, float]] = [{} for _ in crystals]
        notes: list[list[str]] = [[] for _ in crystals]
        for weights, column in PREDICTED.items():
            predictor = shared_predictor(weights, self.device)
            for values, said, one in zip(found, notes, predict(crystals, predictor), strict=True):
                if one.values:
                    values[column.name] = round(one.values[predictor.columns[0]], 4)
                else:
                    said.append(f"no {column.name}: {one.status}")
        placed: list[tuple[dict[str, float], list[str], Counter[int]]] = []
        for values, said, crystal in zip(found, notes, crystals, strict=True):
            counts = Counter(crystal.numbers.tolist())
            if "formation_energy_predicted" not in values:
                continue
            if (gap := shipped_hull().gap(counts)) is not None:
                said.append(f"no {_ABOVE_HULL.name}: {gap}")
            else:
                placed.append((values, said, counts))
        levels = Stability(self.device).levels(counts for _, _, counts in placed)
        for (values, said, _), level in zip(placed, levels, strict=True):
            values[_ABOVE_HULL.name] = above = round(values["formation_energy_predicted"] - level, 4)
            if above < FAR_BELOW:
                said.append(f"{_ABOVE_HULL.name} is doubtful: {_DOUBT}")
        return [Outcome(found=values, notes=tuple(said)) for values, said in zip(found, notes, strict=True)]

    @override
    def seconds(self, members: int) -> float | None:
        return _SECONDS_TO_LOAD + 10.0 * members

    @override
    def gave_up(self, candidate: Candidate, status: str, reason: Reason) -> Outcome:
        return Outcome(notes=(f"no predicted properties: {reason}",))
