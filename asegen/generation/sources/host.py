"""The source "host": atoms that stay where they are, and others that a flow draws beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.generation.host import FIXED, FREE, SCALED, Host
from asegen.generation.plan import Sample
from asegen.generation.source import Source, check_elements, identity_of
from asegen.generation.target import Target
from asegen.structures.atoms import crystals_from_atoms
from asegen.structures.validity import niggli_reduce
from asegen.trained.samplers import load_generator

_NEAR = 0.6
"""Of the sum of covalent radii, under which a drawn atom has come too near to another. O-H is at 0.95 of it, Li-O at
0.95 too, short metal-oxygen bonds at 0.8."""
_GIVEN_LATTICE = {
    FIXED: [True] * 6,
    SCALED: [True] * 5 + [False],  # the last coordinate is the volume's
    FREE: [False] * 6,
}


class HostFilling(Source):
    """Draws what is added to hosts, see `asegen.diffusion.inpainting`.

    Every other sample of a host is the best of several trajectories; those between are one each, so that not all find
    the same sites. The host's atoms come first, as they were: at their positions in a cell that is fixed, else at their
    fractional positions. `info` has host_atoms, their number. What comes too near to another atom fails, and is drawn
    again.

    Args:
        model: a shipped model's name or the path of weights; the default model without it.
        device: "auto", "cpu", "cuda", "cuda:1" …
        quick: one rough trajectory per structure, without choice among several.

    Raises:
        InputError: no such model or device, or one that can't be given parts of a crystal.
        CheckpointError: weights that can't be read.
    """

    always_redraws = True
    holds_given = True

    def __init__(self, model: str | None = None, device: str = "auto", quick: bool = False) -> None:
        self.sampler = load_generator(model, device, search=not quick)
        if not self.sampler.restarts:
            raise InputError(f"{self.sampler.name} can't be given parts of a crystal: host needs a flow", "model")
        self.identity = identity_of(self.sampler)

    def check(self, targets: Sequence[Target], force: bool) -> None:
        """Refuses what has no host, and unknown elements.

        Raises:
            InputError: see above.
        """
        if any(target.host is None for target in targets):
            raise InputError("the source host needs a host, and what to add to it", "host")
        check_elements(self.identity, targets, force)

    def propose(self, samples: Sequence[Sample], seeds: Sequence[int], steps: int | None) -> list[Atoms]:
        """One structure for each sample, see `Source.propose`."""
        kinds = [(_host(sample).cell, sample.repeat % 2 == 0) for sample in samples]
        found: dict[int, Atoms] = {}
        for cell, search in dict.fromkeys(kinds):
            own = [k for k, kind in enumerate(kinds) if kind == (cell, search)]
            given = [_Reduced(_host(samples[k])) for k in own]
            drawn = self.sampler.inpaint(
                crystals_from_atoms([one.atoms for one in given]),
                torch.from_numpy(np.concatenate([one.stays for one in given])),
                torch.tensor(_GIVEN_LATTICE[cell]),
                torch.tensor([seeds[k] for k in own]),
                steps,
                search,
            )
            found |= {k: _judged(one.filled(drawn[j])) for j, (k, one) in enumerate(zip(own, given, strict=True))}
        return [found[k] for k in range(len(samples))]


def _host(sample: Sample) -> Host:
    assert sample.target.host is not None  # `check` has looked
    return sample.target.host


class _Reduced:
    """A host in its Niggli cell, as crystals are in training, with atoms to be drawn.

    Attributes:
        atoms: the host's, then those to be drawn, at the origin.
        stays: (n_atoms,), bool, whose atoms are the host's.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        kept = host.atoms
        cell, positions = niggli_reduce(kept.cell.array, kept.get_scaled_positions())
        places = np.concatenate([positions, np.zeros((len(host.added), 3))])
        self.atoms = Atoms([*kept.numbers, *host.added], scaled_positions=places, cell=cell, pbc=True)
        self.stays = np.arange(len(self.atoms)) < len(kept)

    def filled(self, drawn: Crystals) -> Atoms:
        """The host with the atoms that were drawn.

        Args:
            drawn: one crystal, in the order of `atoms`.
        """
        host, reduced = self._host, self.atoms.cell.array
        transformation = np.rint(reduced @ np.linalg.inv(host.atoms.cell.array))
        cell = drawn.cell[0].double().numpy()
        if host.cell != FREE:  # in the host's orientation
            stretch = (np.linalg.det(cell) / abs(np.linalg.det(reduced))) ** (1 / 3)
            cell = reduced * (stretch if host.cell == SCALED else 1.0)
        filled = host.atoms.copy()
        if host.cell != FIXED:
            scaled = host.atoms.cell.scaled_positions(host.atoms.positions)
            filled.set_cell(np.linalg.inv(transformation) @ cell, apply_constraint=False)
            filled.set_positions(scaled @ filled.cell.array, apply_constraint=False)
        places = drawn.scaled_positions[~torch.from_numpy(self.stays)].double().numpy() @ cell
        places = (filled.cell.scaled_positions(places) % 1) @ filled.cell.array
        filled += Atoms(host.added, positions=places)
        filled.info = {"source": "host", "host_atoms": len(host.atoms)}
        return filled


def _judged(atoms: Atoms) -> Atoms:
    """Marked where an atom that was drawn is too near to another."""
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return atoms  # the validity gate says so
    radii = _NEAR * covalent_radii[atoms.numbers]
    first, second, distance = neighbor_list("ijd", atoms, radii.tolist())
    for i, j, length in zip(first, second, distance, strict=True):
        if max(i, j) >= atoms.info["host_atoms"]:
            pair = f"{atoms.symbols[i]}{i} and {atoms.symbols[j]}{j}"
            atoms.info["reason"] = f"too near: {pair} are {length:.2f} Å apart"
            break
    return atoms
