"""A contact sheet: small drawings of crystals side by side."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from asegen.cli.runs.summary import above_hull, space_group
from asegen.errors import InputError

_VIEW = (-78.0, 17.0)  # degrees: tilt about x, turn about the vertical
_RADIUS = 0.36  # of the covalent radius
_BOND = 1.2  # of the distance to the nearest neighbour of either end
_BOUNDARY = 0.25  # Å: an atom this near to a face of the cell is drawn on all equivalent faces
_LONG_FORMULA = 14  # characters
_FOG = 0.45  # how much of their colour the farthest atoms lose
_COLORS = 0.72 * jmol_colors + 0.28 * jmol_colors.mean(1, keepdims=True) ** 0.5  # Jmol's hues, paler


def draw_contact_sheet(structures: Sequence[Atoms], out: Path) -> None:
    """Draws valid structures with formula, space group, sample index and energy above the hull.

    Args:
        structures: at least one, with the `info` that `Generator` gives.
        out: the picture; its suffix is the format.

    Raises:
        InputError: the picture can't be written.
    """
    columns = min(4 if len(structures) <= 16 else 6, len(structures))
    rows = math.ceil(len(structures) / columns)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(2.9 * columns, 3.2 * rows), layout=layout, facecolor="white")
    for k, atoms in enumerate(structures):
        axes = figure.add_subplot(rows, columns, k + 1)
        _draw(axes, atoms)
        _name_colors(axes, atoms)
        long = len(str(atoms.info["formula"])) > _LONG_FORMULA
        axes.set_title(f"{_formula(atoms)}   {_group(atoms)}", fontsize=8 if long else 11)
        axes.set_title(str(atoms.info["sample_index"]), loc="left", fontsize=8, color="0.5")
        axes.set_title(above_hull(atoms), loc="right", fontsize=8, color="0.5")
    if any(above_hull(atoms) for atoms in structures):
        figure.supxlabel("right: energy above the hull, eV/atom", fontsize=8, color="0.5")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=130)
    except OSError as error:
        raise InputError(f"can't write {out}: {error.strerror}") from None


def _formula(atoms: Atoms) -> str:
    subscripts = re.sub(r"(\d+)", r"_{\1}", str(atoms.info["formula"]))
    return rf"$\mathrm{{{subscripts}}}$"


def _group(atoms: Atoms) -> str:
    """Symbol in the tables' type (letters italic, bars over digits) and number."""
    symbol, number = space_group(atoms) or ("", 0)
    bars = re.sub(r"-(\d)", r"\\bar{\1}", symbol)
    return f"${bars}$ ({number})" if number else ""


def _draw(axes: Axes, atoms: Atoms) -> None:
    cell = atoms.cell.standard_form()[0].array @ _rotation()
    scaled, index = _with_boundary(atoms)
    points, corners = scaled @ cell, np.array(list(product((0, 1), repeat=3))) @ cell
    middle, reach = corners.mean(0), np.ptp(corners[:, 2]) / 2
    depth = (points[:, 2] - middle[2]) / max(reach, 1e-9)  # -1 far, 1 near
    fog = (_FOG * np.clip((1 - depth) / 2, 0, 1))[:, None]
    colors = _COLORS[atoms.numbers[index]] * (1 - fog) + fog
    radii = _RADIUS * covalent_radii[atoms.numbers[index]]
    _draw_edges(axes, corners, middle[2])
    _draw_bonds(axes, points, colors, radii, _nearest(atoms)[index])
    for (x, y, z), color, radius in zip(points, colors, radii, strict=True):
        axes.add_patch(Circle((x, y), radius, facecolor=color, edgecolor=0.35 * color, linewidth=0.6, zorder=z))
        light = Circle(
            (x - 0.3 * radius, y + 0.3 * radius), 0.3 * radius, color="white", alpha=0.45, linewidth=0, zorder=z
        )
        axes.add_patch(light)
    low = np.minimum(corners[:, :2].min(0), (points[:, :2] - radii[:, None]).min(0))
    high = np.maximum(corners[:, :2].max(0), (points[:, :2] + radii[:, None]).max(0))
    centre, half = (low + high) / 2, 1.06 * (high - low).max() / 2
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half), aspect="equal")
    axes.axis("off")


def _name_colors(axes: Axes, atoms: Atoms) -> None:
    """A line of elements below the drawing, in the formula's order."""
    dots = [
        Line2D([], [], marker="o", linestyle="", markersize=7, color=_COLORS[z], markeredgecolor=0.35 * _COLORS[z],
               markeredgewidth=0.6, label=chemical_symbols[z])
        for z in dict.fromkeys(atoms.numbers)
    ]  # fmt: skip
    axes.legend(
        handles=dots, ncols=len(dots), loc="upper center", bbox_to_anchor=(0.5, 0.02), frameon=False, fontsize=9,
        handletextpad=0, columnspacing=0.7,
    )  # fmt: skip


def _rotation() -> np.ndarray:
    tilt, turn = np.radians(_VIEW)
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    return (about_x @ about_z).T


def _with_boundary(atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Scaled positions with the largest atom at the corners, and copies on opposite faces; the atom that each is."""
    inside = atoms.get_scaled_positions()
    inside = inside - inside[covalent_radii[atoms.numbers].argmax()]
    margin = _BOUNDARY / atoms.cell.lengths()
    inside = inside - np.floor(inside + margin)
    places, index = [], []
    for k, x in enumerate(inside):
        for shift in product(*[(0, 1) if value < width else (0,) for value, width in zip(x, margin, strict=True)]):
            places.append(x + shift)
            index.append(k)
    return np.array(places), np.array(index)


def _draw_edges(axes: Axes, corners: np.ndarray, middle: float) -> None:
    for a, b in combinations(range(8), 2):
        if (a ^ b).bit_count() != 1:  # corners are counted in binary: an edge changes one digit
            continue
        (x1, y1, z1), (x2, y2, z2) = corners[a], corners[b]
        shade = "0.55" if (z1 + z2) / 2 > middle else "0.8"
        axes.plot([x1, x2], [y1, y2], color=shade, linewidth=0.9, zorder=min(z1, z2), solid_capstyle="round")


def _nearest(atoms: Atoms) -> np.ndarray:
    """Distance in Å of each atom to its nearest neighbour, its own images included."""
    distance = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distance, atoms.cell.lengths().min())
    return distance.min(1)


def _draw_bonds(axes: Axes, points: np.ndarray, colors: np.ndarray, radii: np.ndarray, nearest: np.ndarray) -> None:
    """Draws bonds between atoms that are about each other's nearest; each half in its atom's colour."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    limit = _BOND * np.minimum(nearest[:, None], nearest[None])
    for a, b in np.argwhere((distance < limit) & (distance > 0.1)):
        # From the atom's surface: from its centre, a bond towards the viewer would be drawn over the atom.
        direction = (points[b] - points[a]) / distance[a, b]
        start, end = points[a] + 0.9 * radii[a] * direction, (points[a] + points[b]) / 2
        axes.plot(*np.array([start, end])[:, :2].T, color=0.85 * colors[a], linewidth=2.2, zorder=(start + end)[2] / 2)
