"""Where templates come from: a catalogue of known crystals, a file, a split of shards, or AFLOW's prototypes."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols
from ase.formula import Formula

from asegen import __version__
from asegen.crystals.crystals import Crystals
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers
from asegen.data.shards import CrystalDataset, Rejected, count_kinds, load_rejected, load_split, write_shards
from asegen.errors import InputError
from asegen.parallel.files import cache_folder
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.library import TemplateLibrary
from asegen.prototypes.sensible import COLUMN, PREDICTED, is_crushed, sensible
from asegen.structures.atoms import crystals_from_atoms
from asegen.symmetry.batches import make_orbits
from asegen.trained.weights import shipped_catalogue

KNOWN = "mp"
"""The name of the catalogue inside the package: the crystals that the shipped models were trained on."""
AFLOW = "aflow"
"""The name of the prototypes of the AFLOW library (Mehl et al., Comput. Mater. Sci. 136, S1 (2017)) in pymatgen."""


def open_library(
    source: str | Path,
    jobs: int = 1,
    on_start: Callable[[int], None] = lambda total: None,
    on_row: Callable[[], None] = lambda: None,
) -> TemplateLibrary:
    """A library of templates.

    Files and AFLOW's prototypes are read once: what came of them is kept in the user's cache folder, by checksum and by
    pymatgen's version.

    Args:
        source: "mp"; "aflow"; a split that `asegen ingest` made; a catalogue, as `asegen ingest --symmetry` writes; or
            any file of structures that `asegen ingest` reads. Disordered structures and what fails the validity gate
            are no templates, nor are crystals of a split that lie far above the hull.
        jobs: processes that read a file.
        on_start: told the number of structures in the file before they are read.
        on_row: called after each.

    Raises:
        InputError: the file can't be read, or holds no crystal.
        CheckpointError: a catalogue that can't be read.
    """
    if source == AFLOW:
        return _aflow()
    if source == KNOWN:
        return _known()
    if not isinstance(source, str | Path):
        raise InputError(
            f"templates = {source!r:.60}: {KNOWN}, {AFLOW}, a file or split, or an open library is needed",
            "templates",
        )
    path = Path(source)
    if (path / "index.json").is_file():
        return _of_split(load_split(path.parent, path.name))
    if not path.is_file():
        names = f"{KNOWN} or {AFLOW}"
        raise InputError(
            f"templates = {source}: no such file, nor a split of `asegen ingest`, nor {names}", "templates"
        )
    if path.suffix == ".safetensors":
        return _cached(path.read_bytes(), lambda: (_catalogued(Catalogue.read(path)), []))

    def read() -> tuple[CrystalDataset, list[Rejected]]:
        from asegen.ingest.ingest import ingest  # loads readers and worker processes

        return ingest([path], jobs=jobs, targets=[], on_start=on_start, on_row=on_row)

    return _cached(path.read_bytes(), read)


@cache
def _aflow() -> TemplateLibrary:
    return _cached(
        f"{AFLOW} of pymatgen {version('pymatgen')}, none crushed".encode(), lambda: (aflow_prototypes(), [])
    )


@cache
def _known() -> TemplateLibrary:
    return _cached(shipped_catalogue().read_bytes(), lambda: (_catalogued(Catalogue.shipped()), []))


def _cached(content: bytes, read: Callable[[], tuple[CrystalDataset, list[Rejected]]]) -> TemplateLibrary:
    """The crystals of a file's content from the user's cache folder; read and put there if they aren't yet."""
    folder = cache_folder("templates")
    name = hashlib.sha256(content + __version__.encode()).hexdigest()[:32]
    if (folder / name / "index.json").is_file():
        return TemplateLibrary(load_split(folder, name), count_kinds(load_rejected(folder, name)))
    dataset, rejected = read()
    library = TemplateLibrary(dataset, count_kinds(rejected))
    with suppress(InputError):  # a home that can't be written costs time, nothing else
        write_shards(folder, name, dataset, rejected=rejected, force=True)
    return library


def _of_split(split: CrystalDataset) -> TemplateLibrary:
    kept = sensible(split)
    left_out = len(split) - len(kept)
    return TemplateLibrary(kept, {f"high {COLUMN}": left_out} if left_out else None)


def _catalogued(catalogue: Catalogue) -> CrystalDataset:
    """The crystals of a catalogue, exactly symmetric; their identifiers are formulas and numbers of space groups."""
    known = [(occupation.group, example) for occupation, own in catalogue.examples.items() for example in own]
    orbits = make_orbits([(group, list(zip(e.letters, e.numbers, strict=True))) for group, e in known])
    places, lattices = np.concatenate([e.u for _, e in known]), np.stack([e.lattice for _, e in known])
    numbers = Numbers(torch.from_numpy(places).double(), torch.from_numpy(lattices).double())
    crystals = orbits.crystals(numbers)
    counts = [Counter(chemical_symbols[z] for z in part.tolist()) for part in _parts(crystals)]
    formulas = [Formula.from_dict(dict(own)) for own in counts]
    ids = [f"{formula.reduce()[0]:metal}-{group}" for formula, (group, _) in zip(formulas, known, strict=True)]
    energies = {
        COLUMN: torch.tensor([e.above_hull for _, e in known], dtype=torch.float64),
        PREDICTED: torch.tensor([e.is_predicted for _, e in known], dtype=torch.float64),
    }
    return CrystalDataset(crystals, energies, ids, symmetry=SymmetricBatch(orbits, numbers))


def _parts(crystals: Crystals) -> Sequence[torch.Tensor]:
    return crystals.numbers.split(crystals.n_atoms.tolist())


def aflow_prototypes() -> CrystalDataset:
    """The ordered prototypes of the AFLOW library in pymatgen; their identifiers are AFLOW's labels.

    Silicon in BC8 is left out: its lattice constant is 4.1 Å there instead of 6.6 Å.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.prototypes import AFLOW_PROTOTYPE_LIBRARY  # seconds to load: it parses references
        from pymatgen.io.ase import AseAtomsAdaptor

        ordered = [entry for entry in AFLOW_PROTOTYPE_LIBRARY if entry["snl"].structure.is_ordered]
        named = [(entry["tags"]["aflow"], AseAtomsAdaptor.get_atoms(entry["snl"].structure)) for entry in ordered]
    kept = [(name, atoms) for name, atoms in named if not is_crushed(atoms)]
    return CrystalDataset(crystals_from_atoms([atoms for _, atoms in kept]), {}, [name for name, _ in kept])
