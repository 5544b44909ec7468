"""Predicted properties of `ase.Atoms`: in batches, or behind ASE's calculator interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from asegen.errors import InputError, Reason
from asegen.structures.atoms import check_atoms, crystals_from_atoms
from asegen.structures.given import Structures, as_list
from asegen.structures.validity import primitive
from asegen.trained.predictor import PropertyPredictor, load_predictor

OK = "ok"
"""The status of a structure with a prediction."""

_BATCH = 256
_LONGEST = 200  # characters of another library's message


class Predicted(NamedTuple):
    """What is predicted of one structure.

    Attributes:
        status: "ok", or one line `kind: detail` that says why there is no prediction.
        values: column -> value, in the units of the training data, and `<column>_std`, a standard deviation; empty
            without a prediction.
        site_values: the same of a model of atoms, (n_atoms,) each.
    """

    status: str
    values: dict[str, float]
    site_values: dict[str, NDArray[np.float64]]


def predict(
    structures: Structures,
    model: str | Path | PropertyPredictor = "alignn-formation-energy",
    device: str = "auto",
) -> list[Predicted]:
    """Predicts a property of many structures.

    Args:
        structures: Atoms or pymatgen's Structures, or one; what is no crystal, or holds an element that the model
            never saw, gets a status.
        model: a shipped model's name, the path of weights, or a loaded predictor.
        device: see `asegen.trained.loading.pick_device`.

    Returns:
        One result for each structure, in order.

    Raises:
        InputError: no such model or device, or something that is no structure.
        CheckpointError: weights that can't be read.
    """
    predictor = model if isinstance(model, PropertyPredictor) else load_predictor(model, device)
    given = as_list(structures)
    results: list[Predicted | None] = [None] * len(given)
    fit: list[tuple[int, Atoms]] = []
    for k, atoms in enumerate(given):
        reason = refusal(atoms, predictor)
        if reason is None:
            fit.append((k, primitive(atoms) if predictor.needs_primitive else atoms))
        else:
            results[k] = Predicted(str(reason), {}, {})
    for k, result in _predict_fit(fit, predictor):
        results[k] = result
    return [result for result in results if result is not None]


def _predict_fit(fit: list[tuple[int, Atoms]], predictor: PropertyPredictor) -> Iterator[tuple[int, Predicted]]:
    # Similar sizes side by side: a batch's size is bounded by its largest crystal.
    fit = sorted(fit, key=lambda pair: len(pair[1]))
    edges = [*range(0, len(fit), _BATCH), len(fit)]
    for start, stop in pairwise(edges):
        part = fit[start:stop]
        results = _predict_together([atoms for _, atoms in part], predictor)
        yield from zip([k for k, _ in part], results, strict=True)


def _predict_together(structures: Sequence[Atoms], predictor: PropertyPredictor) -> list[Predicted]:
    """Results of a batch; where it fails, of its halves, so that one structure costs no other its value."""
    try:
        found = predictor.predict(crystals_from_atoms(structures))
    except (InputError, MemoryError, RuntimeError, ValueError) as error:
        if len(structures) == 1:
            return [Predicted(str(_failure(error)), {}, {})]
        middle = len(structures) // 2
        halves = structures[:middle], structures[middle:]
        return [result for half in halves for result in _predict_together(half, predictor)]
    lengths = [len(atoms) if predictor.per_site else 1 for atoms in structures]
    rows = zip(found.value.double().split(lengths), found.spread.double().split(lengths), strict=True)
    return [_predicted(value.numpy(), deviation.numpy(), predictor) for value, deviation in rows]


def _failure(error: Exception) -> Reason:
    """Why nothing came out of a structure that looked sound."""
    detail = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, MemoryError) or "memory" in detail:  # torch has no class of its own for a processor's memory
        return Reason("out of memory", detail or "the cell is too large")
    return Reason("failed", f"{type(error).__name__}: {detail}")


def _predicted(value: NDArray[np.float64], deviation: NDArray[np.float64], predictor: PropertyPredictor) -> Predicted:
    """What (n_rows, n_columns) numbers say of a crystal, a row for each atom or one for all."""
    if not np.isfinite(value).all():
        return Predicted("non-finite: the network gives no number", {}, {})
    columns = dict(zip(predictor.columns, value.T, strict=True))
    for name, spread in zip(predictor.columns, deviation.T, strict=True):
        if np.isfinite(spread).all():
            columns[f"{name}_std"] = spread
    if predictor.per_site:
        return Predicted(OK, {}, columns)
    return Predicted(OK, {name: float(row[0]) for name, row in columns.items()}, {})


def refusal(atoms: Atoms, predictor: PropertyPredictor) -> Reason | None:
    """Why a model can't say anything of a structure, or None."""
    if (reason := check_atoms(atoms)) is not None:
        return reason
    foreign = sorted({int(z) for z in atoms.numbers} - predictor.elements)
    if foreign:
        names = ", ".join(chemical_symbols[z] for z in foreign)
        return Reason("unknown element", f"{predictor.name} was trained without {names}")
    return None


class PropertyCalculator(Calculator):
    """An ASE calculator over a network that predicts an energy per atom.

    `energy` and `free_energy` are that energy times the number of atoms, in eV: with `alignn-formation-energy` the
    formation energy of the Materials Project, relative to the elements, not a total energy. `results["energy_std"]` is
    its uncertainty, eV. Forces (eV/Å) and stress (eV/Å³, ASE's sign) are gradients of the network; it was trained on no
    forces and on relaxed crystals alone, so they are off unless asked for, and lead nowhere far from a minimum.

    Args:
        model: a shipped model's name, the path of weights, or a loaded predictor, which `forces` take to float64.
        device: see `asegen.trained.loading.pick_device`.
        forces: offer forces and stress too.

    Raises:
        InputError: no such model or device, a model that predicts no energy per atom, or forces of one that reduces
            cells first (ECN).
        CheckpointError: weights that can't be read.
    """

    def __init__(
        self,
        model: str | Path | PropertyPredictor = "alignn-formation-energy",
        device: str = "auto",
        forces: bool = False,
    ) -> None:
        self.implemented_properties = ["energy", "free_energy", *(["forces", "stress"] if forces else [])]
        super().__init__()
        self.predictor = model if isinstance(model, PropertyPredictor) else load_predictor(model, device)
        target = self.predictor.targets[0]
        no_energy = self.predictor.is_classifier or self.predictor.per_site or not target.endswith("_per_atom")
        if no_energy or len(self.predictor.targets) != 1:
            raise InputError(f"{model} predicts no energy per atom, but {', '.join(self.predictor.columns)}")
        if forces and self.predictor.needs_primitive:
            raise InputError(f"{model} reduces cells first: its energy has no forces on the atoms given")
        self._forces = forces

    def __repr__(self) -> str:
        """The model, and whether it offers forces."""
        return f"{type(self).__name__}({self.predictor.name!r}, forces={self._forces})"

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fills `results`; see ASE.

        Raises:
            InputError: the structure is no crystal, or holds an element that the model never saw.
        """
        super().calculate(atoms, properties, system_changes)
        structure: Any = self.atoms  # a copy that ASE has just made
        (found,) = predict([structure], self.predictor)
        if not found.values:
            raise InputError(found.status)
        (target,), n = self.predictor.targets, len(structure)
        self.results = {"energy": n * found.values[target]}
        if (deviation := found.values.get(f"{target}_std")) is not None:
            self.results["energy_std"] = n * deviation
        if self._forces:
            self.results |= _gradients(structure, self.predictor)
        self.results["free_energy"] = self.results["energy"]


def _gradients(atoms: Atoms, predictor: PropertyPredictor) -> dict[str, Any]:
    """Energy, forces (n_atoms, 3) and stress (6,), in float64."""
    crystals = crystals_from_atoms([atoms]).to(predictor.device)
    crystals = crystals.replace(
        cell=crystals.cell.requires_grad_(), scaled_positions=crystals.scaled_positions.requires_grad_()
    )
    energy = predictor.differentiable(crystals)[0, 0] * len(atoms)
    of_cell, of_positions = torch.autograd.grad(energy, [crystals.cell, crystals.scaled_positions])
    cell = crystals.cell.detach()[0]
    # x = s · cell; a strain ε takes the cell to cell · (1 + ε) and leaves s.
    forces = -of_positions @ torch.linalg.inv(cell).T
    virial = cell.T @ of_cell[0]
    stress = (virial + virial.T) / 2 / torch.linalg.det(cell).abs()
    return {
        "energy": float(energy.detach()),
        "forces": forces.cpu().numpy(),
        "stress": full_3x3_to_voigt_6_stress(stress.cpu().numpy()),
    }
