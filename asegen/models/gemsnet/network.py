"""GemsNet: how GemsDiff's network sees a crystal and moves it (Klipfel et al., AAAI 2024).

A GemNet-T trunk on the symmetric graph of nearest neighbours; atoms move along their edges, the lattice is acted upon
by vector fields (gradients of lengths and angles), so that the result turns with the crystal and doesn't depend on the
choice of its cell. Three networks, as published:

- `GemsNetEncoderDecoder` (the paper): an encoder sees the noisy crystal and the time; a decoder starts from the unit
  cube.
- `GemsNetParameters`: one network; six lattice parameters from an invariant head.
- `GemsNet` (the newest): one network, no time; acts on the lattice that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asegen.crystals.crystals import Crystals
from asegen.elements import ATOMIC_NUMBERS
from asegen.models.gemsnet.blocks import AtomUpdate, EdgeEmbedding, EdgeScalar, Interaction, TripletWeights
from asegen.models.gemsnet.dense import Dense
from asegen.models.gemsnet.geometry import Geometry, geometry_of, lattice_action
from asegen.nn.bases import GaussianBasis
from asegen.nn.readouts import crystal_mean

_HARMONICS = 7
_RADIAL, _CIRCULAR = 16, 16
_SHORTEST = 1e-6
"""Å. A shorter edge is taken to be this long where a length divides."""


def time_features(time: Tensor, width: int, like: Tensor) -> Tensor:
    """`[cos, sin](t / 100^(2k/width))`, k = 0 … width/2 − 1.

    Args:
        time: (n_crystals,), steps.
        width: even.
        like: gives the floating-point type.

    Returns:
        (n_crystals, width).
    """
    k = torch.arange(width // 2, device=time.device, dtype=like.dtype)
    phase = time[:, None].to(like.dtype) / 100 ** (2 * k / width)
    return torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)


@dataclass(frozen=True, eq=False)
class _Features:
    """What a trunk knows: geometry, (h, m) of every depth, radial features of heads and circular basis."""

    geometry: Geometry
    depths: list[tuple[Tensor, Tensor]]
    radial: Tensor
    circular: Tensor


class _Trunk(nn.Module):
    """Embedding of edges and interactions."""

    def __init__(self, width: int, interactions: int, neighbors: int, cutoff: float, gaussians: int) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.basis = GaussianBasis(gaussians, cutoff)
        self.edges = EdgeEmbedding(width, gaussians, width)
        self.radial = Dense(gaussians, 3 * _RADIAL)  # three projections in one: triplets, atoms, heads
        self.circular = Dense(gaussians, _HARMONICS * _CIRCULAR)
        self.interactions = nn.ModuleList(
            [Interaction(width, width, _RADIAL, _CIRCULAR, _HARMONICS) for _ in range(interactions)]
        )

    def forward(self, crystals: Crystals, h: Tensor) -> _Features:
        # In bfloat16 a position has two digits: geometry stays in full precision under autocast.
        with torch.autocast(crystals.device.type, enabled=False):
            geometry = geometry_of(crystals, self.neighbors, _HARMONICS)
            basis = self.basis(geometry.distance)
        if torch.is_autocast_enabled(crystals.device.type):
            geometry = geometry.with_harmonics(torch.get_autocast_dtype(crystals.device.type))
        m = self.edges(h, basis, geometry.stars)
        triplet, atom, head = self.radial(basis).chunk(3, dim=-1)
        circular = self.circular(basis).view(-1, _HARMONICS, _CIRCULAR)
        depths = [(h, m)]
        for interaction in self.interactions:
            h, m = interaction(h, m, triplet, atom, circular, geometry)
            depths.append((h, m))
        return _Features(geometry, depths, head, circular)


class _PositionHead(nn.Module):
    """`y_t = Σ_s F_st (x_s − x_t − τ)/r`, F summed over depths."""

    def __init__(self, width: int, depths: int) -> None:
        super().__init__()
        self.scalars = nn.ModuleList([EdgeScalar(width, _RADIAL) for _ in range(depths)])

    def forward(self, crystals: Crystals, features: _Features) -> Tensor:
        scalar = sum(head(m, features.radial) for head, (_, m) in zip(self.scalars, features.depths, strict=True))
        geometry = features.geometry
        along = geometry.stars.scaled_vector / geometry.distance.clamp_min(_SHORTEST)[:, None]
        y = torch.zeros_like(crystals.scaled_positions)
        return y.index_add(0, geometry.stars.i, scalar.to(along.dtype)[:, None] * along)


class _LatticeHead(nn.Module):
    """Action on the lattice: mean over triplets of weighted vector fields, weights summed over depths."""

    def __init__(self, width: int, depths: int) -> None:
        super().__init__()
        self.weights = nn.ModuleList([TripletWeights(width, _RADIAL, _CIRCULAR) for _ in range(depths)])

    def forward(self, crystals: Crystals, features: _Features) -> Tensor:
        geometry = features.geometry
        weights = sum(
            head(m, features.radial, features.circular, geometry)
            for head, (_, m) in zip(self.weights, features.depths, strict=True)
        )
        with torch.autocast(crystals.device.type, enabled=False):
            return lattice_action(crystals, geometry, weights.to(crystals.dtype))


class _AtomHead(nn.Module):
    """Features of atoms, summed over depths."""

    def __init__(self, width: int, depths: int) -> None:
        super().__init__()
        self.updates = nn.ModuleList([AtomUpdate(width, _RADIAL, width, depth=3) for _ in range(depths)])

    def forward(self, features: _Features) -> Tensor:
        return sum(
            head(m, features.radial, features.geometry.stars, len(h))
            for head, (h, m) in zip(self.updates, features.depths, strict=True)
        )


def _embedding(width: int) -> nn.Embedding:
    embedding = nn.Embedding(ATOMIC_NUMBERS, width)
    nn.init.uniform_(embedding.weight, -(3**0.5), 3**0.5)
    return embedding


class GemsNet(nn.Module):
    """One network that acts on the crystal it is given: equivariant, whatever the choice of its cell.

    Args:
        width: size of the features of atoms and edges.
        interactions: number of interaction blocks.
        neighbors: nearest neighbours in the graph, before it is made symmetric.
        cutoff: end of the radial basis, Å.
        gaussians: size of the radial basis.
    """

    def __init__(
        self, width: int = 128, interactions: int = 3, neighbors: int = 32, cutoff: float = 6.0, gaussians: int = 128
    ) -> None:
        super().__init__()
        self.atoms = _embedding(width)
        self.trunk = _Trunk(width, interactions, neighbors, cutoff, gaussians)
        self.position = _PositionHead(width, interactions + 1)
        self.lattice = _LatticeHead(width, interactions + 1)

    def forward(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        """How atoms and lattice should move.

        Args:
            crystals: noisy crystals.

        Returns:
            (n_atoms_total, 3), fractional displacement; (n_crystals, 3, 3), symmetric A in Cartesian axes: the cell
            becomes `cell @ (I + A)`.
        """
        features = self.trunk(crystals, self.atoms(crystals.numbers))
        return self.position(crystals, features), self.lattice(crystals, features)


class GemsNetParameters(nn.Module):
    """One network with the time; the lattice comes from an invariant head.

    Args:
        width: size of the features of atoms and edges.
        interactions: number of interaction blocks.
        neighbors: nearest neighbours in the graph, before it is made symmetric.
        cutoff: end of the radial basis, Å.
        gaussians: size of the radial basis.
    """

    def __init__(
        self, width: int = 128, interactions: int = 3, neighbors: int = 32, cutoff: float = 6.0, gaussians: int = 128
    ) -> None:
        super().__init__()
        self.atoms = _embedding(width)
        self.trunk = _Trunk(width, interactions, neighbors, cutoff, gaussians)
        self.position = _PositionHead(width, interactions + 1)
        self.pool = _AtomHead(width, interactions + 1)
        self.parameters_head = nn.Sequential(Dense(width, width, activated=True), nn.Linear(width, 6))

    def forward(self, crystals: Crystals, time: Tensor) -> tuple[Tensor, Tensor]:
        """How atoms should move, and the lattice to which they belong.

        Args:
            crystals: noisy crystals.
            time: (n_crystals,), steps of diffusion, 1 to T.

        Returns:
            (n_atoms_total, 3), fractional displacement; (n_crystals, 6), z-scored a, b, c, α, β, γ.
        """
        h = self.atoms(crystals.numbers)
        h = h + time_features(time, h.shape[1], crystals.cell)[crystals.batch]
        features = self.trunk(crystals, h)
        lattice = self.parameters_head(crystal_mean(self.pool(features), crystals))
        return self.position(crystals, features), lattice.to(crystals.dtype)


class GemsNetEncoderDecoder(nn.Module):
    """The paper's network: an encoder of the noisy crystal, a decoder that starts from the unit cube.

    The decoder sees the fractional coordinates in a cube of 1 Å. The result is invariant to rotations and translations
    and equivariant to permutations, but, other than `GemsNet`, it depends on the choice of the cell.

    Args:
        width: size of the features of atoms and edges.
        interactions: number of interaction blocks of encoder and decoder each.
        neighbors: nearest neighbours in the graph, before it is made symmetric.
        cutoff: end of the encoder's radial basis, Å.
        gaussians: size of the radial basis.
        cube_cutoff: end of the decoder's, Å. No 32nd neighbour in the cube is beyond 2 Å: of the published 6 Å two
            thirds of the basis would never be used.
    """

    def __init__(
        self,
        width: int = 128,
        interactions: int = 3,
        neighbors: int = 32,
        cutoff: float = 6.0,
        gaussians: int = 128,
        cube_cutoff: float = 2.5,
    ) -> None:
        super().__init__()
        self.atoms = _embedding(width)
        self.encoder = _Trunk(width, interactions, neighbors, cutoff, gaussians)
        self.code = _AtomHead(width, interactions + 1)
        self.decoder = _Trunk(width, interactions, neighbors, cube_cutoff, gaussians)
        self.position = _PositionHead(width, interactions + 1)
        self.lattice = _LatticeHead(width, interactions + 1)

    def forward(self, crystals: Crystals, time: Tensor) -> tuple[Tensor, Tensor]:
        """How atoms should move, and how the unit cube becomes the lattice.

        Args:
            crystals: noisy crystals.
            time: (n_crystals,), steps of diffusion, 1 to T.

        Returns:
            (n_atoms_total, 3), fractional displacement; (n_crystals, 3, 3), symmetric A: the cell is `I + A` Å.
        """
        h = self.atoms(crystals.numbers)
        h = h + time_features(time, h.shape[1], crystals.cell)[crystals.batch]
        code = self.code(self.encoder(crystals, h))
        cube = crystals.replace(cell=torch.eye(3).to(crystals.cell).expand(len(crystals), 3, 3))
        features = self.decoder(cube, code)
        return self.position(cube, features), self.lattice(cube, features)
