"""The table that ends a run of `asegen generate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.formula import Formula
from rich.markup import escape
from rich.table import Table

from asegen.cli.terminal import output_console, print_table, results_table
from asegen.generation.above_hull import ABOVE_HULL as RANKED
from asegen.generation.plausibility import IMPLAUSIBLE
from asegen.generation.ranking import ALIGNN
from asegen.generation.stability import ABOVE_HULL, MISSING, NO_ENERGY
from asegen.hull.table import FAR_BELOW, SO_FAR_BELOW
from asegen.structures.space_groups import symmetry_dataset
from asegen.structures.validity import density

ROWS = 20
PICTURES = 24
SYMPREC = 0.1  # Å; generated crystals are rough, and published symmetry statistics use this tolerance
_OWN = {"rank": "rank", "source": "source", "eV/atom": "energy_per_atom"}  # columns and their keys in `info`
_DISPENSABLE = ("Å³/atom", "source", "g/cm³", "min Å", "rank", "space group")
"""Columns that a narrow terminal goes without, those first that say least."""
DOUBTFUL = "?"
"""Mark of a predicted energy that lies below the hull by more than is plausible."""


def space_group(atoms: Atoms) -> tuple[str, int] | None:
    """International symbol and number at `SYMPREC`; None for what failed the validity gate or has none."""
    if not atoms.info.get("valid", False):  # spglib must never see what isn't finite
        return None
    data = symmetry_dataset(atoms, SYMPREC)
    return None if data is None else (data.international, data.number)


def above_hull(atoms: Atoms) -> str:
    """The energy above the hull by the ranking, or else as predicted, eV/atom, as text; empty where there is none.

    A prediction that is doubtful is marked.
    """
    energy = atoms.info.get(RANKED, atoms.info.get(ABOVE_HULL))
    return "" if energy is None else f"{round(energy, 2) + 0.0:.2f}{mark(atoms.info)}"  # no -0.00


def is_doubtful(info: Mapping[str, Any]) -> bool:
    """Whether the energy above the hull that tables show is a network's and too low to be believed.

    Args:
        info: of a structure; a potential's energy, which errs less, is not in doubt.
    """
    # What `discover` computed stands in the place of what its candidates were ranked by.
    is_predicted = RANKED not in info or info.get("calculator", info.get("ranked_by")) == ALIGNN
    return is_predicted and float(info.get(RANKED, info.get(ABOVE_HULL, 0.0))) < FAR_BELOW


def mark(info: Mapping[str, Any]) -> str:
    """What stands behind an energy above the hull: the mark of a doubtful one, or nothing; `info` as above."""
    return f" {DOUBTFUL}" if is_doubtful(info) else ""


def doubtful_line(count: int) -> str:
    """What the mark means, and of how many structures."""
    return f"{DOUBTFUL} doubtful: {count} predicted to lie {SO_FAR_BELOW}: the error is as large there"


def _is_other(atoms: Atoms) -> bool:
    """Whether it has another composition than asked for, as what the published score model draws may have."""
    asked = atoms.info.get("formula_requested")
    return asked is not None and Formula(asked).reduce()[0] != atoms.symbols.formula.reduce()[0]


class Summary:
    """Counts all structures of a run and remembers a few, for the table and for the contact sheet."""

    def __init__(self) -> None:
        self.valid = self.invalid = 0
        self.left_out: list[int] = []
        self._lacking: Counter[tuple[str, str]] = Counter()  # what structures lack and why
        self._others = 0  # of another composition than asked for
        self._implausible, self._doubtful, self._has_elements = 0, 0, False
        self._rows: list[Atoms] = []
        self._pictures: list[Atoms] = []
        self._every = 1

    def add(self, atoms: Atoms) -> None:
        """Takes note of a structure in the output."""
        if len(self._rows) < ROWS:
            self._rows.append(atoms)
        for name, key in (("energy", NO_ENERGY), ("e_hull", MISSING)):
            if key in atoms.info:
                self._lacking[name, str(atoms.info[key])] += 1
        self._others += _is_other(atoms)
        self._implausible += IMPLAUSIBLE in atoms.info
        self._doubtful += is_doubtful(atoms.info)
        self._has_elements = self._has_elements or len(set(atoms.numbers)) == 1
        if not atoms.info["valid"]:
            self.invalid += 1
            return
        if self.valid % self._every == 0:
            self._pictures.append(atoms)
        self.valid += 1
        if len(self._pictures) > 4 * PICTURES:  # what is kept stays evenly spread, however many come
            self._pictures, self._every = self._pictures[::2], 2 * self._every

    @property
    def written(self) -> int:
        """Structures in the output."""
        return self.valid + self.invalid

    def leave_out(self, index: int) -> None:
        """Takes note of a sample that isn't in the output."""
        self.left_out.append(index)

    def pictures(self) -> list[Atoms]:
        """Up to `PICTURES` valid structures, evenly spread over the output."""
        places = np.linspace(0, len(self._pictures) - 1, min(PICTURES, len(self._pictures)))
        return [self._pictures[round(place)] for place in places]

    def show(self, out: Path) -> None:
        """Prints the first structures and the totals on stdout."""
        console = output_console()
        if self._rows:
            print_table(console, _table(self._rows), _DISPENSABLE)
        if self.written > len(self._rows):
            console.print(f"… and {self.written - len(self._rows)} more")
        noun = "structure" if self.written == 1 else "structures"
        line = f"{self.written} {noun} in {out}: {self.valid} valid, {self.invalid} not"
        if (meaning := self._meaning_of_e_hull()) is not None:
            console.print(meaning, soft_wrap=True)
        if self._doubtful:
            console.print(doubtful_line(self._doubtful), markup=False, soft_wrap=True)
        for (name, reason), count in self._lacking.items():
            console.print(f"no {name} of {count}: {reason}", markup=False, soft_wrap=True)
        if self._others:
            asked = f"{self._others} not of the composition that was asked for"
            console.print(f"{asked}: this model chooses how many atoms a site becomes", markup=False, soft_wrap=True)
        if self._implausible:
            line += f"; {self._implausible} implausible, see info"
        if self.left_out:
            line += f"; {len(self.left_out)} left out (samples {_listed(self.left_out)})"
        console.print(line, markup=False, soft_wrap=True)

    def _meaning_of_e_hull(self) -> str | None:
        by = next((atoms.info["ranked_by"] for atoms in self._rows if RANKED in atoms.info), None)
        if by is not None:
            return f"e_hull: energy above the known phases' hull by {by}, eV/atom"
        if not any(ABOVE_HULL in atoms.info for atoms in self._rows):
            return None
        errors = "about 0.05 for known crystals, 0.15 for others" + (
            ", of elements up to 0.5" if self._has_elements else ""
        )
        return f"e_hull: predicted energy above the known phases' hull, eV/atom; errors are {errors}"


def _listed(indices: Sequence[int]) -> str:
    shown = ", ".join(str(index) for index in sorted(indices)[:ROWS])
    return shown + (" …" if len(indices) > ROWS else "")


def _verdict(info: Mapping[str, Any]) -> str:
    """Whether it is valid, and what is wrong with it, by a word or two."""
    if not info["valid"]:
        return str(info["reason"]).split(":")[0]
    return f"odd {str(info[IMPLAUSIBLE]).split(':')[0]}" if IMPLAUSIBLE in info else "yes"


def _table(structures: Sequence[Atoms]) -> Table:
    own = [name for name, key in _OWN.items() if any(key in atoms.info for atoms in structures)]
    height = ["e_hull"] if any(above_hull(atoms) for atoms in structures) else []
    numbers = ("#", "rank", "eV/atom", "e_hull", "g/cm³", "Å³/\natom", "min\nÅ")
    table = results_table("#", "formula", *own, "space group", *height, *numbers[-3:], "valid", numbers=numbers)
    for atoms in structures:
        info, group = atoms.info, space_group(atoms)
        energy = info.get("energy_per_atom")
        words = {"rank": str(info.get("rank", "")), "source": str(info.get("source", ""))}
        words["eV/atom"] = "" if energy is None else f"{energy:.3f}"
        cells = [str(info["sample_index"]), str(info["formula"]), *(words[name] for name in own)]
        cells += [f"{group[0]} ({group[1]})" if group else ""]
        cells += [above_hull(atoms) for _ in height]
        cells += [f"{density(atoms):.2f}", f"{atoms.get_volume() / len(atoms):.1f}"] if info["valid"] else ["", ""]
        cells += [f"{info['shortest_distance']:.2f}" if "shortest_distance" in info else ""]
        cells += [_verdict(info)]
        table.add_row(*(escape(cell) for cell in cells))
    return table
