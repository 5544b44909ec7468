"""Builds the catalogue of known crystals inside the package, which templates and space groups are taken from.

    asegen ingest mp/train.csv.gz -o shards/mp --symmetry 0.1
    asegen ingest extra/train.csv.gz -o shards/extra --symmetry 0.1
    python examples/studies/catalogue.py shards/mp/train shards/extra/train -o asegen/weights/mp.wyckoff.safetensors

To the crystals of the splits it adds AFLOW's prototypes (from pymatgen) and the elements in the structures that ASE's
table of reference states has. Energies above the hull are those of the splits; where a compound has none, the one that
ALIGNN predicts; elements have none then. What lies more than 0.3 eV/atom above the hull is left out. Without splits
AFLOW's prototypes and the elements alone are written.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, reference_states
from torch import Tensor

from asegen import __version__
from asegen.data.shards import CrystalDataset, load_split
from asegen.generation.stability import ABOVE_HULL, Stability
from asegen.ingest.symmetric import symmetrise
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.examples import Example
from asegen.prototypes.sensible import COLUMN, PREDICTED, sensible
from asegen.prototypes.sources import aflow_prototypes
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms
from asegen.symmetry.assignments import Occupation

_SYMPREC = 0.1
_SIMPLE = ("fcc", "bcc", "hcp", "diamond", "sc")
"""Kinds of reference states that have no free positions; AFLOW's prototypes have the others."""
_CHAINS = ("Se", "Te")
"""Whose reference states ASE calls hcp, for their lattice: AFLOW has them."""
_MOST_ATOMS = 60


def elements() -> CrystalDataset:
    """The elements whose reference state is a simple one, at the lattice constants of ASE's table."""
    found = [
        bulk(symbol)
        for symbol, state in zip(chemical_symbols, reference_states, strict=False)
        if state is not None and state["symmetry"] in _SIMPLE and symbol not in _CHAINS
    ]
    above_hull = {COLUMN: torch.zeros(len(found), dtype=torch.float64)}
    return CrystalDataset(crystals_from_atoms(found), above_hull, [str(atoms.symbols) for atoms in found])


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


def main() -> None:
    """Builds and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", type=Path, nargs="*", help="that asegen ingest --symmetry made")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    stability = Stability("cpu")
    named = {str(path): load_split(path.parent, path.name) for path in args.splits}
    textbook = {"AFLOW": aflow_prototypes(), "elements of ASE": elements()}
    named |= {name: symmetrise(split, _SYMPREC, 1)[0] for name, split in textbook.items()}
    parts = {name: catalogue(with_energies(split, stability)) for name, split in named.items()}
    crystals: dict[Occupation, list[Example]] = {}
    for occupation, own in (entry for part in parts.values() for entry in part.examples.items()):
        crystals.setdefault(occupation, []).extend(own)
    counts = {name: sum(part.known.values()) for name, part in parts.items()}
    first = next(iter(parts.values()))  # lattices on which models were trained
    whole = Catalogue(crystals, first.bravais_mean, first.bravais_std)
    with tempfile.TemporaryDirectory() as folder:
        place = args.output or Path(folder) / "known.wyckoff.safetensors"
        whole.write(
            place, {"name": "mp", "asegen": __version__, "symprec": _SYMPREC, "crystals": list(counts.values())}
        )
        for name, n in counts.items():
            print(f"{name}: {n} of {len(named[name])} crystals")
        print(f"{sum(counts.values())} crystals, {len(crystals)} assignments, {place.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
