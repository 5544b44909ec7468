"""Builds the catalogue of known crystals inside the package, which templates and space groups are taken from.

    asegen ingest mp/train.csv.gz -o shards/mp --symmetry 0.1
    asegen ingest extra/train.csv.gz -o shards/extra --symmetry 0.1
    python examples/studies/catalogue.py shards/mp/train shards/extra/train -o asegen/weights/mp.wyckoff.safetensors

To the crystals of the splits it adds AFLOW's prototypes (from pymatgen) and the elements in the structures that ASE's
table of reference states has. Energies above the hull are those of the splits; where a crystal has none, CHGNet's, of
the crystal as it is, against known crystals of its composition where there are any. What lies more than 0.3 eV/atom
above the hull is left out. Without splits AFLOW's prototypes and the elements alone are written.

This begins with the shipped catalogue, computes the energies that it doesn't know anew (a quarter of an hour), leaves
out what lies high or is too dense, and adds the crystals of textbooks that it lacks:

    python examples/studies/catalogue.py --amend mp.wyckoff.safetensors -o asegen/weights/mp.wyckoff.safetensors
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from itertools import count
from pathlib import Path

import torch
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, reference_states
from chgnet_heights import heights
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from textbook_compounds import TEXTBOOK
from torch import Tensor

from asegen import __version__
from asegen.data.shards import CrystalDataset, load_split
from asegen.hull.table import Counts, reduced, shipped_hull
from asegen.ingest.symmetric import symmetrise
from asegen.potentials.elements import element_crystal
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.examples import Example
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sensible import COLUMN, MAX_ABOVE_HULL, PREDICTED, is_crushed, sensible
from asegen.prototypes.sources import aflow_prototypes, open_library
from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms
from asegen.symmetry.assignments import Occupation

_SYMPREC = 0.1
_SIMPLE = ("fcc", "bcc", "hcp", "diamond", "sc")
"""Kinds of reference states that have no free positions; AFLOW's prototypes have the others."""
_CHAINS = ("Se", "Te")
"""Whose reference states ASE calls hcp, for their lattice: AFLOW has them."""
_ODD = ("S", "F", "Hg", "Pa")
"""Elements whose crystals `asegen.potentials.elements` writes down, or has from ASE's dcdft set."""
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


def textbook_crystals() -> list[Structure]:
    """Crystals of textbooks, and of elements that have no simple one."""
    odd = [atoms for symbol in _ODD if (atoms := element_crystal(symbol)) is not None]
    return [known.structure for known in TEXTBOOK] + [AseAtomsAdaptor.get_structure(atoms) for atoms in odd]


def on_the_hull(new: list[Atoms]) -> CrystalDataset:
    """Crystals of textbooks, on the hull; by assumption where it has no stable compound of the composition."""
    assumed = [float(not shipped_hull().is_stable(Counter(atoms.numbers.tolist()))) for atoms in new]
    columns = {
        COLUMN: torch.zeros(len(new), dtype=torch.float64),
        PREDICTED: torch.tensor(assumed, dtype=torch.float64),
    }
    return CrystalDataset(crystals_from_atoms(new), columns, [f"{atoms.symbols}" for atoms in new])


def places(library: TemplateLibrary, crystals: Sequence[Structure]) -> list[int | None]:
    """Where a library has each crystal: of the same elements and group, nearly the volume, the same for the matcher."""
    by_formula = defaultdict(list)
    for k, atoms in enumerate(library.atoms(range(len(library)))):
        if len(atoms) <= _MOST_ATOMS:
            by_formula[reduced(Counter(atoms.numbers.tolist()))].append((k, atoms))
    return [_place(library, by_formula[reduced(Counter(one.atomic_numbers))], one) for one in crystals]


def _place(library: TemplateLibrary, own: Sequence[tuple[int, Atoms]], one: Structure) -> int | None:
    group = one.get_space_group_info(_SYMPREC)[1]
    for k, atoms in own:
        ratio = one.volume / len(one) / (atoms.get_volume() / len(atoms))
        is_near = library.ids[k].endswith(f"-{group}") and abs(ratio - 1) < _ALIKE
        if is_near and StructureMatcher().fit(one, AseAtomsAdaptor.get_structure(atoms)):
            return k
    return None


def with_energies(split: CrystalDataset) -> CrystalDataset:
    """The split with predicted energies above the hull for crystals that have none."""
    unknown = torch.full((len(split),), torch.nan, dtype=torch.float64)
    above: Tensor = split.targets.get(COLUMN, unknown).clone()
    predicted = above.isnan()
    missing = torch.nonzero(predicted).ravel()
    found = heights(atoms_from_crystals(split.crystals[missing]))
    above[missing] = torch.tensor(found, dtype=torch.float64)
    columns = {COLUMN: above, PREDICTED: predicted.double()}
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
    named = {str(path): load_split(path.parent, path.name) for path in paths}
    others = {"AFLOW": aflow_prototypes(), "elements of ASE": elements()}
    named |= {name: symmetrise(split, _SYMPREC, 1)[0] for name, split in others.items()}
    parts = {name: catalogue(with_energies(split)) for name, split in named.items()}
    for name, part in parts.items():
        print(f"{name}: {sum(part.known.values())} of {len(named[name])} crystals")
    known = joined(parts.values())
    return with_textbooks(known, folder, [sum(part.known.values()) for part in parts.values()])


def with_textbooks(known: Catalogue, folder: Path, counts: list[int]) -> tuple[Catalogue, list[int]]:
    """A catalogue with the crystals of textbooks that it doesn't have, and the numbers of its parts with theirs.

    Those that it has without an energy of their source are put on the hull, as the others are.
    """
    before = folder / "before.wyckoff.safetensors"
    known.write(before, {})
    crystals = textbook_crystals()
    found = places(open_library(str(before)), crystals)
    new = [AseAtomsAdaptor.get_atoms(one, msonable=False) for one, k in zip(crystals, found, strict=True) if k is None]
    print(f"textbooks: {len(new)} of {len(crystals)} crystals:", *(atoms.symbols for atoms in new))
    ground = _on_the_hull(known, {k for k in found if k is not None})
    if not new:
        return ground, counts
    part = catalogue(symmetrise(on_the_hull(new), _SYMPREC, 1)[0])
    return joined([ground, part]), [*counts, sum(part.known.values())]


def _on_the_hull(known: Catalogue, chosen: Set[int]) -> Catalogue:
    """The catalogue with some of its crystals on the hull, if their energies are no source's."""
    order = count()
    examples = {
        occupation: [_lowered(one, occupation.counts) if next(order) in chosen else one for one in own]
        for occupation, own in known.examples.items()
    }
    return Catalogue(examples, known.bravais_mean, known.bravais_std)


def _lowered(one: Example, counts: Counts) -> Example:
    if not one.is_predicted:
        return one
    return one._replace(above_hull=0.0, is_predicted=not shipped_hull().is_stable(counts))


def amended(path: Path, folder: Path) -> tuple[Catalogue, list[int]]:
    """A catalogue with energies computed anew, without crystals that are too dense, and with those of textbooks."""
    known, library = Catalogue.read(path), open_library(str(path))
    crystals = library.atoms(range(len(library)))
    entries = [(occupation, example) for occupation, own in known.examples.items() for example in own]
    guessed = [k for k, (_, one) in enumerate(entries) if one.is_predicted or math.isnan(one.above_hull)]
    found = dict(zip(guessed, heights([crystals[k] for k in guessed]), strict=True))
    kept: dict[Occupation, list[Example]] = {}
    for k, (occupation, one) in enumerate(entries):
        example = one._replace(above_hull=found[k], is_predicted=True) if k in found else one
        if not is_crushed(crystals[k]) and not example.above_hull > MAX_ABOVE_HULL:
            kept.setdefault(occupation, []).append(example)
    whole = Catalogue(kept, known.bravais_mean, known.bravais_std)
    print(f"{sum(whole.known.values())} of {len(entries)} crystals, {len(guessed)} energies computed")
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
