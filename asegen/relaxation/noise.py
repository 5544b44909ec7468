"""What training takes crystals away from their places with."""

from __future__ import annotations

import torch
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.geometry.lattice import matrix_exp
from asegen.nn.readouts import crystal_mean


def strained(crystals: Crystals, sigma: Tensor, generator: torch.Generator) -> Crystals:
    """`cell @ exp(A)`, all nine elements of A ~ N(0, σ) (Klipfel et al., AAAI 2023).

    Args:
        crystals: a batch.
        sigma: (n_crystals,), dimensionless.
        generator: source of the noise.
    """
    noise = torch.empty_like(crystals.cell).normal_(generator=generator)
    return crystals.replace(cell=crystals.cell @ matrix_exp(sigma[:, None, None] * noise))


def rattled(crystals: Crystals, sigma: Tensor, fractional: bool, generator: torch.Generator) -> Crystals:
    """Normal noise on the positions, without a common translation.

    Args:
        crystals: a batch.
        sigma: (n_crystals,), per coordinate.
        fractional: σ is of fractional coordinates (as published, dependent on the choice of the cell); else in Å.
        generator: source of the noise.
    """
    noise = torch.empty_like(crystals.scaled_positions).normal_(generator=generator)
    noise = noise * sigma[crystals.batch, None]
    if not fractional:
        noise = torch.einsum("na,nab->nb", noise, torch.linalg.inv(crystals.cell)[crystals.batch])
    mean = crystal_mean(noise, crystals)[crystals.batch]
    return crystals.replace(scaled_positions=crystals.scaled_positions + noise - mean)


def cubes(crystals: Crystals, volume_per_atom: float) -> Crystals:
    """The crystals with cubic cells, nothing of their own left but positions in fractions.

    Args:
        crystals: a batch.
        volume_per_atom: Å³; 0 gives the unit cube, 1 Å³ for all atoms together, as published.
    """
    volume = (
        volume_per_atom * crystals.n_atoms.to(crystals.dtype) if volume_per_atom else torch.ones_like(crystals.volume)
    )
    edge = volume ** (1 / 3)
    eye = torch.eye(3, dtype=crystals.dtype, device=crystals.device)
    return crystals.replace(cell=edge[:, None, None] * eye)
