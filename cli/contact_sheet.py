"""A contact sheet: small drawings of crystals side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure

from asegen.cli.summary import space_group
from asegen.errors import InputError

MOST = 24
_VIEW = (-75.0, 12.0)  # degrees: tilt about x, turn about the vertical


def draw_contact_sheet(structures: Sequence[Atoms], out: Path) -> None:
    """Draws up to `MOST` structures with formula and space group.

    Raises:
        InputError: the picture can't be written.
    """
    shown = [a for a in sorted(structures, key=lambda a: a.info["sample_index"]) if a.info["valid"]][:MOST]
    shown = shown or list(structures[:1])
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(3 * columns, 3.2 * rows), layout="constrained", facecolor="white")
    for k, atoms in enumerate(shown):
        axes = figure.add_subplot(rows, columns, k + 1)
        _draw(axes, atoms)
        formula = _subscripts(atoms.info["formula"])
        axes.set_title(f"{formula}   {space_group(atoms)}", fontsize=10)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=130)
    except OSError as error:
        raise InputError(f"can't write {out}: {error.strerror}") from None


def _subscripts(formula: str) -> str:
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _with_boundary(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Scaled positions and numbers, with copies of atoms on faces, edges and corners of the cell (within 2 %)."""
    inside = atoms.get_scaled_positions()
    inside[inside > 0.98] -= 1
    places, numbers = [], []
    for x, z in zip(inside, atoms.numbers, strict=True):
        choices = [(0, 1) if abs(value) < 0.02 else (0,) for value in x]
        for shift in np.array(np.meshgrid(*choices)).T.reshape(-1, 3):
            places.append(x + shift)
            numbers.append(z)
    return np.array(places), np.array(numbers)


def _rotation() -> np.ndarray:
    tilt, turn = np.radians(_VIEW)
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    return (about_x @ about_z).T


def _draw(axes: Axes, atoms: Atoms) -> None:
    cell = atoms.cell.standard_form()[0].array @ _rotation()
    scaled, numbers = _with_boundary(atoms)
    points = scaled @ cell
    order = np.argsort(points[:, 2])
    points, numbers = points[order], numbers[order]
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    edges = [(a, b) for a in range(8) for b in range(a) if np.abs(corners[a] - corners[b]).sum() == 1]
    flat = (corners @ cell)[:, :2]
    axes.add_collection(
        LineCollection([[flat[a], flat[b]] for a, b in edges], colors="#8a8f98", linewidths=0.8, zorder=1)
    )
    axes.add_collection(_bonds(points, numbers))
    size = 0.75 * covalent_radii[numbers]
    axes.add_collection(
        EllipseCollection(
            size, size, np.zeros(len(size)), units="x", offsets=points[:, :2], transOffset=axes.transData,
            facecolors=jmol_colors[numbers], edgecolors="#303030", linewidths=0.6, zorder=3,
        )
    )  # fmt: skip
    everything = np.vstack([flat, points[:, :2]])
    centre, half = (everything.max(0) + everything.min(0)) / 2, np.ptp(everything, axis=0).max() / 2 + 1.0
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half), aspect="equal")
    axes.axis("off")


def _bonds(points: np.ndarray, numbers: np.ndarray) -> LineCollection:
    """Lines between drawn atoms that are nearer than 1.15 times the sum of their covalent radii."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    reach = 1.15 * (covalent_radii[numbers][:, None] + covalent_radii[numbers][None])
    pairs = np.argwhere(np.triu((distance < reach) & (distance > 0.4), 1))
    return LineCollection([points[[a, b], :2] for a, b in pairs], colors="#b9bdc5", linewidths=2.0, zorder=2)
