"""Splits of crystals on disk: arrays in safetensors beside a JSON index; no CIF, ASE or pymatgen to read them.

    DIR/<split>/index.json                     format, version, sources with checksums, counts, target names, ids
    DIR/<split>/crystals-00000.safetensors     cell (B, 3, 3) float64 Å, scaled_positions (N, 3) float64,
                                               numbers (N,) int16, n_atoms (B,) int64, target/<name> (B,) float64,
                                               site/<name> (N,) float64
    DIR/<split>/symmetry.safetensors           where the crystals were made exactly symmetric: the fields of their
                                               `Orbits` and `Numbers`
    DIR/<split>/rejected.csv                   file, row, id, reason of what is not in the split

A split appears whole or not at all: it is written into a temporary folder beside its place and renamed.
"""

from __future__ import annotations

import csv
import glob
import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.data.index import FORMAT, INDEX, check_writable, read_index
from asegen.errors import InputError
from asegen.parallel.cells import csv_cell, from_cell
from asegen.parallel.files import replacing

CRYSTALS_PER_SHARD = 10_000
_TARGET, _SITE = "target/", "site/"
_SYMMETRY = "symmetry.safetensors"
_REJECTED = "rejected.csv"


class Rejected(NamedTuple):
    """A row that is not in a split: the file's name, the row in it from 0, its id, and `kind: detail`."""

    file: str
    row: int
    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class CrystalDataset:
    """The crystals of a split with what is known of each.

    Attributes:
        crystals: a batch of n_crystals, float64.
        targets: name -> (n_crystals,) float64, NaN where the source had none; units are the source's.
        ids: n_crystals identifiers from the source.
        header: what `index.json` holds besides.
        site_targets: name -> (n_atoms_total,) float64, the same for each atom.
        symmetry: of crystals that are exactly symmetric, in their cells and with their atoms in order; None otherwise.
        notes: what reading each of n_crystals had to decide, None where nothing; empty where a split was loaded, whose
            header counts them.
    """

    crystals: Crystals
    targets: dict[str, Tensor]
    ids: list[str]
    header: dict[str, Any] = field(default_factory=dict)
    site_targets: dict[str, Tensor] = field(default_factory=dict)
    symmetry: SymmetricBatch | None = None
    notes: Sequence[str | None] = ()

    def __len__(self) -> int:
        """Number of crystals."""
        return len(self.crystals)

    def __getitem__(self, index: Tensor) -> CrystalDataset:
        """Selects crystals with their targets and ids.

        Args:
            index: int64 indices or a mask of shape (n_crystals,).

        Raises:
            IndexError: an index is out of range.
        """
        chosen = torch.arange(len(self), device=index.device)[index].tolist()
        targets = {name: values[index.to(values.device)] for name, values in self.targets.items()}
        atoms = self.crystals.atoms_of(index)
        sites = {name: values[atoms.to(values.device)] for name, values in self.site_targets.items()}
        ids, symmetry = [self.ids[i] for i in chosen], self.symmetry and self.symmetry.select(index)
        notes = [self.notes[i] for i in chosen if self.notes]
        return CrystalDataset(self.crystals[index], targets, ids, self.header, sites, symmetry, notes)

    def count_notes(self) -> dict[str, int]:
        """How often each of `notes` occurs, in alphabetical order."""
        return dict(sorted(Counter(note for note in self.notes if note).items()))


def write_shards(
    folder: str | Path,
    split: str,
    dataset: CrystalDataset,
    *,
    rejected: Sequence[Rejected] = (),
    force: bool = False,
    crystals_per_shard: int = CRYSTALS_PER_SHARD,
) -> Path:
    """Writes a split, whole or not at all. The same arguments give the same bytes.

    Args:
        folder: where splits live; made if missing.
        split: name of the split, one path component.
        dataset: the crystals; `header` goes into the index.
        rejected: listed in `rejected.csv`.
        force: replace a split that exists.
        crystals_per_shard: most crystals in one file.

    Returns:
        The split's folder.

    Raises:
        InputError: the split exists, its name is no plain name, or the place cannot be written.
    """
    folder = Path(folder)
    check_writable(folder, split, force)
    place, old = folder / split, folder / f".{split}.{os.getpid()}.old"
    try:
        _remove_leftovers(folder, split)
        with replacing(place) as beside:
            beside.mkdir()
            _write_split(beside, dataset, rejected, crystals_per_shard)
            if place.exists():
                place.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write {place}: {error.strerror or error}") from None
    return place


def _remove_leftovers(folder: Path, split: str) -> None:
    """Removes what killed runs left beside a split."""
    for kind in ("partial", "old"):
        for path in folder.glob(f".{glob.escape(split)}.*.{kind}"):
            shutil.rmtree(path, ignore_errors=True)


def _write_split(folder: Path, dataset: CrystalDataset, rejected: Sequence[Rejected], crystals_per_shard: int) -> None:
    index = {
        "format": FORMAT,
        "notes": dataset.count_notes(),
        **dataset.header,  # of a split that was loaded, with its own count of notes
        "crystals": len(dataset),
        "atoms": int(dataset.crystals.n_atoms.sum()),
        "targets": sorted(dataset.targets),
        "site_targets": sorted(dataset.site_targets),
        "shards": _write_arrays(folder, dataset, crystals_per_shard),
        "ids": dataset.ids,
    }
    if dataset.symmetry is not None:
        (folder / _SYMMETRY).write_bytes(save(dataset.symmetry.tensors()))
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    with open(folder / _REJECTED, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Rejected._fields)
        writer.writerows(map(csv_cell, row) for row in rejected)


def _write_arrays(folder: Path, dataset: CrystalDataset, crystals_per_shard: int) -> list[dict[str, Any]]:
    shards = []
    for number, start in enumerate(range(0, len(dataset), crystals_per_shard)):
        part = slice(start, start + crystals_per_shard)
        crystals = dataset.crystals[part].to("cpu", torch.float64)
        arrays = {
            "cell": crystals.cell,
            "scaled_positions": crystals.scaled_positions,
            "numbers": crystals.numbers.to(torch.int16),
            "n_atoms": crystals.n_atoms,
        }
        arrays |= {_TARGET + name: values[part].cpu().double() for name, values in dataset.targets.items()}
        atoms = dataset.crystals.atoms_of(part)
        arrays |= {_SITE + name: values[atoms].cpu().double() for name, values in dataset.site_targets.items()}
        name = f"crystals-{number:05d}.safetensors"
        # bytes, because safetensors' own file is readable by its owner only
        (folder / name).write_bytes(save({key: array.contiguous() for key, array in arrays.items()}))
        shards.append({"file": name, "crystals": len(crystals)})
    return shards


def count_kinds(rejected: Sequence[Rejected]) -> Counter[str]:
    """How often each kind of reason occurs, the part of the reason before the colon."""
    return Counter(row.reason.partition(":")[0] for row in rejected)


def load_rejected(folder: Path, split: str) -> list[Rejected]:
    """What isn't in a split, and why.

    Args:
        folder: of splits.
        split: one that `write_shards` wrote there.

    Raises:
        InputError: its list can't be read.
    """
    place = folder / split / _REJECTED
    try:
        with place.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        return [Rejected(file_name, int(row), from_cell(name), reason) for file_name, row, name, reason in rows]
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {place}: {error}") from None


def load_split(folder: str | Path, split: str) -> CrystalDataset:
    """Reads a split that `write_shards` wrote.

    Args:
        folder: where splits live.
        split: name of the split.

    Returns:
        The crystals on the CPU in float64.

    Raises:
        InputError: there is no such split, or it is damaged, or of another format.
    """
    folder = Path(folder)
    place, header = folder / split, read_index(folder, split)
    try:
        ids, names = [str(i) for i in header.pop("ids")], header.pop("targets")
        sites = header.pop("site_targets", [])  # older splits hold none
        parts = [_read_arrays(place / shard["file"], names, sites, shard["crystals"]) for shard in header["shards"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{place} is damaged: {error}") from None
    merged = {key: torch.cat([part[key] for part in parts]) for key in parts[0]} if parts else {}
    if not parts or len(ids) != len(merged["n_atoms"]):
        raise InputError(f"{place} is damaged: its index and its arrays differ in length")
    crystals = Crystals(
        merged["cell"], merged["scaled_positions"], merged["numbers"].to(torch.int64), merged["n_atoms"]
    )
    of_atoms = {name: merged[_SITE + name] for name in sites}
    targets = {name: merged[_TARGET + name] for name in names}
    return CrystalDataset(crystals, targets, ids, header, of_atoms, _read_symmetry(place / _SYMMETRY, crystals))


def _read_symmetry(file: Path, crystals: Crystals) -> SymmetricBatch | None:
    if not file.exists():
        return None
    try:
        symmetry = SymmetricBatch.of_tensors(load_file(file))
        # Where sites are in general position some of their images coincide, and are one atom of the crystal.
        if len(symmetry.orbits) != len(crystals) or bool((symmetry.orbits.n_atoms < crystals.n_atoms).any()):
            raise InputError(f"{file} is damaged: its crystals are not those of the split")
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}") from None
    return symmetry


def _read_arrays(
    file: Path, targets: Sequence[str], site_targets: Sequence[str], n_crystals: int
) -> Mapping[str, Tensor]:
    try:
        arrays = load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}") from None
    shapes = {"cell": (n_crystals, 3, 3), "n_atoms": (n_crystals,)}
    shapes |= {_TARGET + name: (n_crystals,) for name in targets}
    n_atoms = int(arrays["n_atoms"].sum()) if "n_atoms" in arrays else 0
    shapes |= {"scaled_positions": (n_atoms, 3), "numbers": (n_atoms,)}
    shapes |= {_SITE + name: (n_atoms,) for name in site_targets}
    for key, shape in shapes.items():
        if key not in arrays or tuple(arrays[key].shape) != shape:
            raise InputError(f"{file} is damaged: {key} is missing or not of shape {shape}")
    return arrays
