"""Builds the catalogue of known crystals inside the package, which templates and space groups are taken from.

    asegen ingest mp/train.csv.gz -o shards/mp --symmetry 0.1
    asegen ingest extra/train.csv.gz -o shards/extra --symmetry 0.1
    python examples/studies/catalogue.py shards/mp/train shards/extra/train -o asegen/weights/mp.wyckoff.safetensors

To the crystals of the splits it adds AFLOW's prototypes (from pymatgen) and the elements in the structures that ASE's
table of reference states has. Energies above the hull are those of the splits; where a compound has none, the one that
ALIGNN predicts; elements have none then. What lies more than 0.3 eV/atom above the hull is left out. Without splits
AFLOW's prototypes and the elements alone are written.

Other weights of ALIGNN than those of then leave other compounds out. This keeps all crystals of the shipped catalogue
but for those that are too dense, and adds those of textbooks:

    python examples/studies/catalogue.py --amend mp.wyckoff.safetensors -o asegen/weights/mp.wyckoff.safetensors
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, reference_states
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from textbook_compounds import TEXTBOOK
from torch import Tensor

from asegen import __version__
from asegen.data.shards import CrystalDataset, load_split
from asegen.generation.stability import ABOVE_HULL, Stability
from asegen.ingest.symmetric import symmetrise
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.examples import Example
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sensible import COLUMN, PREDICTED, is_crushed, sensible
from asegen.prototypes.sources import aflow_prototypes, open_library
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms
from asegen.symmetry.assignments import Occupation

_SYMPREC = 0.1
_SIMPLE = ("fcc", "bcc", "hcp", "diamond", "sc")
"""Kinds of reference states that have no free positions; AFLOW's prototypes have the others."""
_CHAINS = ("Se", "Te")
"""Whose reference states ASE calls hcp, for their lattice: AFLOW has them."""
_MOST_ATOMS = 60
_ALIKE = 0.15
"""Of the volume, by which a crystal of the catalogue may differ from the one in textbooks to be it."""


def elements() -> CrystalDataset:
    """The elements whose reference state is a simple one, at the lattice constants of ASE's table."""
    found = [
        bulk(symbol)
        for symbol, state in zip(chemical_symbols, reference_states, strict=False)
        if state is not None and state["symmetry"] in _SIMPLE and symbol not in _CHAINS
    ]
    above_hull = {COLUMN: torch.zeros(len(found), dtype=torch.float64)}
    return CrystalDataset(crystals_from_atoms(found), above_hull, [str(atoms.symbols) for atoms in found])


def missing(library: TemplateLibrary) -> list[Atoms]:
    """The crystals of textbooks that a library doesn't have."""
    structures = [known.structure for known in TEXTBOOK]
    return [AseAtomsAdaptor.get_atoms(one, msonable=False) for one in structures if not _has(library, one)]


def on_the_hull(new: list[Atoms]) -> CrystalDataset:
    """Crystals of textbooks, on the hull by assumption."""
    columns = {COLUMN: torch.zeros(len(new), dtype=torch.float64), PREDICTED: torch.ones(len(new), dtype=torch.float64)}
    return CrystalDataset(crystals_from_atoms(new), columns, [f"{atoms.symbols}" for atoms in new])


def _has(library: TemplateLibrary, one: Structure) -> bool:
    """Whether a crystal with the elements, the space group and nearly the volume is the same for the matcher."""
    counts = {int(z): atoms for z, atoms in zip(*np.unique(one.atomic_numbers, return_counts=True), strict=True)}
    group = one.get_space_group_info(_SYMPREC)[1]
    for name, atoms, _ in library.of_composition(counts, _MOST_ATOMS):
        ratio = one.volume / len(one) / (atoms.get_volume() / len(atoms))
        is_near = name.endswith(f"-{group}") and abs(ratio - 1) < _ALIKE
        if is_near and StructureMatcher().fit(one, AseAtomsAdaptor.get_structure(atoms)):
            return True
    return False


def with_energies(split: CrystalDataset, stability: Stability) -> CrystalDataset:
    """The split with predicted energies above the hull for compounds that have none."""
    unknown = torch.full((len(split),), torch.nan, dtype=torch.float64)
    above: Tensor = split.targets.get(COLUMN, unknown).clone()
    missing = torch.nonzero(above.isnan()).ravel().tolist()
    structures: list[Atoms] = atoms_from_crystals(split.crystals[torch.tensor(missing, dtype=torch.int64)])
    stability.judge(structures)
    for k, atoms in zip(missing, structures, strict=True):
        if len(set(atoms.numbers)) > 1:
            above[k] = atoms.info.get(ABOVE_HULL, torch.nan)
    predicted = torch.zeros(len(split), dtype=torch.float64)
    predicted[missing] = 1.0
    columns = {COLUMN: above, PREDICTED: predicted}
    return CrystalDataset(split.crystals, columns, split.ids, split.header, symmetry=split.symmetry)


def catalogue(split: CrystalDataset) -> Catalogue:
    """The sensible crystals of a symmetric split."""
    kept = sensible(split)
    small = kept[kept.crystals.n_atoms <= _MOST_ATOMS]
    assert small.symmetry is not None
    return Catalogue.of(small.symmetry, small.targets[COLUMN].tolist(), (small.targets[PREDICTED] > 0).tolist())


def joined(parts: Iterable[Catalogue]) -> Catalogue:
    """One catalogue, with the lattices of the first, on which models were trained."""
    first, *others = parts
    crystals: dict[Occupation, list[Example]] = {}
    for occupation, own in (entry for part in (first, *others) for entry in part.examples.items()):
        crystals.setdefault(occupation, []).extend(own)
    return Catalogue(crystals, first.bravais_mean, first.bravais_std)


def built(paths: Sequence[Path], folder: Path) -> tuple[Catalogue, list[int]]:
    """The catalogue of splits, AFLOW, ASE and textbooks, and how many crystals each gave."""
    stability = Stability("cpu")
    named = {str(path): load_split(path.parent, path.name) for path in paths}
    others = {"AFLOW": aflow_prototypes(), "elements of ASE": elements()}
    named |= {name: symmetrise(split, _SYMPREC, 1)[0] for name, split in others.items()}
    parts = {name: catalogue(with_energies(split, stability)) for name, split in named.items()}
    for name, part in parts.items():
        print(f"{name}: {sum(part.known.values())} of {len(named[name])} crystals")
    known = joined(parts.values())
    return with_textbooks(known, folder, [sum(part.known.values()) for part in parts.values()])


def with_textbooks(known: Catalogue, folder: Path, counts: list[int]) -> tuple[Catalogue, list[int]]:
    """A catalogue with the crystals of textbooks that it doesn't have, and the numbers of its parts with theirs."""
    before = folder / "before.wyckoff.safetensors"
    known.write(before, {})
    new = missing(open_library(str(before)))
    print(f"textbooks: {len(new)} of {len(TEXTBOOK)} crystals:", *(atoms.symbols for atoms in new))
    if not new:
        return known, counts
    part = catalogue(symmetrise(on_the_hull(new), _SYMPREC, 1)[0])
    return joined([known, part]), [*counts, sum(part.known.values())]


def amended(path: Path, folder: Path) -> tuple[Catalogue, list[int]]:
    """A catalogue without crystals that are too dense, and with those of textbooks."""
    known, library = Catalogue.read(path), open_library(str(path))
    dense = [is_crushed(atoms) for atoms in library.atoms(range(len(library)))]
    print("too dense:", " ".join(name for name, is_dense in zip(library.ids, dense, strict=True) if is_dense))
    flags = iter(dense)
    kept = {occupation: [e for e in own if not next(flags)] for occupation, own in known.examples.items()}
    whole = Catalogue({o: own for o, own in kept.items() if own}, known.bravais_mean, known.bravais_std)
    return with_textbooks(whole, folder, [sum(whole.known.values())])


def main() -> None:
    """Builds and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=Path, nargs="*", help="that asegen ingest --symmetry made")
    parser.add_argument("--amend", type=Path, metavar="FILE", help="a catalogue to add to, instead of splits")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, counts = built(args.splits, folder) if args.amend is None else amended(args.amend, folder)
        place = args.output or folder / "known.wyckoff.safetensors"
        whole.write(place, {"name": "mp", "asegen": __version__, "symprec": _SYMPREC, "crystals": counts})
        print(f"{sum(counts)} crystals, {len(whole.known)} assignments, {place.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
