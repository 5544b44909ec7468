"""The default networks: a transformer over the atoms of a cell, with periodic pair features in its attention.

Atoms are tokens; what a pair knows of each other (Fourier features of its fractional difference, Gaussians of its
shortest distance) enters as a bias of the attention and is itself attended, so that the cost per pair is linear in
the width. Invariant to rotations (it sees only the metric), to translations and permutations of atoms; the choice of
cell matters: training cells are Niggli-reduced, and so should inputs be.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from asegen.crystals.crystals import Crystals
from asegen.elements import ATOMIC_NUMBERS, wide_group
from asegen.elements import period as period_of
from asegen.geometry.torus import shortest
from asegen.nn.gaussians import gaussian


def _periodic_table() -> tuple[Tensor, Tensor]:
    """Period (0..6) and group (0..31; 18 columns and the f block) of each atomic number; index 0 is unused."""
    elements = range(1, ATOMIC_NUMBERS)
    period, group = [period_of(z) - 1 for z in elements], [wide_group(z) - 1 for z in elements]
    return torch.tensor([0, *period]), torch.tensor([0, *group])


class _Layer(nn.Module):
    """Attention over atoms and pair features, then a gated perceptron, both modulated by the crystal's condition."""

    def __init__(self, width: int, heads: int, pair: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width = {width} is no multiple of heads = {heads}")
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width + heads * pair, width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(2 * width, width)
        self.modulation = nn.Parameter(torch.zeros(6 * width))  # added to the one that all layers share

    def forward(self, h: Tensor, bias: Tensor, pairs: Tensor, modulation: Tensor) -> Tensor:
        shift_a, scale_a, gate_a, shift_b, scale_b, gate_b = (
            (modulation + self.modulation)[:, None, :].to(pairs.dtype).chunk(6, dim=-1)
        )
        x = _normalise(h) * (1 + scale_a) + shift_a
        h = h + (1 + gate_a) * self._drop(self._attend(x, bias, pairs))
        x = _normalise(h) * (1 + scale_b) + shift_b
        gate, value = self.up(x).chunk(2, dim=-1)
        return h + (1 + gate_b) * self._drop(self.down(functional.silu(gate) * value))

    def _drop(self, h: Tensor) -> Tensor:
        # One mask for all atoms of a crystal keeps the permutation symmetry, and costs little.
        return functional.dropout1d(h.mT, self.dropout, self.training).mT

    def _attend(self, x: Tensor, bias: Tensor, pairs: Tensor) -> Tensor:
        b, n, width = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attention = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]) + bias, dim=-1).to(v.dtype)  # (b, heads, i, j)
        mixed = (attention @ v).transpose(1, 2).reshape(b, n, width)
        seen = (attention.transpose(1, 2) @ pairs).reshape(b, n, -1)  # (b, i, heads, j) @ (b, i, j, pair)
        return self.out(torch.cat([mixed, seen], dim=-1))


def _normalise(h: Tensor) -> Tensor:
    return functional.layer_norm(h, h.shape[-1:])


class _Trunk(nn.Module, ABC):
    """What the networks share: everything up to their heads.

    Args:
        width: size of an atom's representation.
        layers: number of transformer layers.
        heads: attention heads per layer.
        harmonics: Fourier frequencies per axis of the fractional difference.
        radial: Gaussians of the shortest distance.
        cutoff: centre of the last Gaussian, Å.
        dropout: share of the channels of each layer's two additions that are left out of a crystal in training.
    """

    def __init__(
        self,
        width: int = 256,
        layers: int = 6,
        heads: int = 8,
        harmonics: int = 8,
        radial: int = 16,
        cutoff: float = 8.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.harmonics, self.cutoff = harmonics, cutoff
        self.period: Tensor
        self.group: Tensor
        self.centres: Tensor
        self.images: Tensor
        pair = 6 * harmonics + radial
        period, group = _periodic_table()
        self.register_buffer("period", period, persistent=False)
        self.register_buffer("group", group, persistent=False)
        self.register_buffer("centres", torch.linspace(0, cutoff, radial), persistent=False)
        images = torch.cartesian_prod(*[torch.arange(-1.0, 2.0)] * 3)
        self.register_buffer("images", images, persistent=False)
        self.by_number, self.by_period = nn.Embedding(ATOMIC_NUMBERS, width), nn.Embedding(7, width)
        self.by_group = nn.Embedding(32, width)
        self.condition = nn.Sequential(nn.Linear(6 + 1 + 32, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.bias = nn.Linear(pair, layers * heads)
        self.layers = nn.ModuleList([_Layer(width, heads, pair, dropout) for _ in range(layers)])
        self._add_heads(width)

    @abstractmethod
    def _add_heads(self, width: int) -> None:
        """What reads the representations."""

    def encode(self, crystals: Crystals, lattice_coordinates: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Representations of atoms and crystals.

        Args:
            crystals: a batch of crystals.
            lattice_coordinates: (n_crystals, 6), z-scored, of the same cells.
            time: (n_crystals,), in [0, 1].

        Returns:
            (n_crystals, n_max, width) of the atoms, zero where a crystal has fewer; (n_crystals, 2 width) of the
            crystals; (n_atoms_total,), int64, each atom's place among the n_crystals · n_max.
        """
        batch, n_max = crystals.batch, crystals.largest
        slot = batch * n_max + torch.arange(len(batch), device=batch.device) - crystals.first_atom[batch]
        size = (len(crystals), n_max)
        numbers = crystals.numbers.new_zeros(size[0] * n_max)
        numbers[slot] = crystals.numbers
        positions = crystals.scaled_positions.new_zeros(size[0] * n_max, 3)
        positions[slot] = crystals.scaled_positions
        numbers, mask = numbers.view(size), (numbers.view(size) > 0)
        # In bfloat16 a fractional difference has two digits: geometry stays in full precision under autocast.
        with torch.autocast(positions.device.type, enabled=False):
            pairs = self._pair_features(positions.view(*size, 3), crystals.cell)
            features = self._crystal_features(lattice_coordinates, crystals.n_atoms, time)
        if torch.is_autocast_enabled(positions.device.type):
            pairs = pairs.to(torch.get_autocast_dtype(positions.device.type))
        bias = self.bias(pairs).view(*size, n_max, len(self.layers), -1).permute(3, 0, 4, 1, 2)
        bias = bias.masked_fill(~mask[None, :, None, None, :], -1e4)
        condition = self.condition(features)
        modulation = self.modulation(condition)
        h = self.by_number(numbers) + self.by_period(self.period[numbers]) + self.by_group(self.group[numbers])
        for layer, layer_bias in zip(self.layers, bias, strict=True):
            h = layer(h, layer_bias, pairs, modulation)
        h = _normalise(h) * mask[..., None]
        count = crystals.n_atoms[:, None].to(h.dtype)
        return h, torch.cat([h.sum(1) / count, condition], dim=-1), slot

    def _pair_features(self, positions: Tensor, cell: Tensor) -> Tensor:
        """(b, n, n, pair): sin and cos of 2π k Δ for each axis, and Gaussians of the shortest distance."""
        delta = shortest(positions[:, None, :, :] - positions[:, :, None, :])
        k = 2 * math.pi * torch.arange(1, self.harmonics + 1, device=delta.device, dtype=delta.dtype)
        phase = (delta[..., None] * k).flatten(-2)
        distance = self._shortest_distance(delta, cell)
        spacing = self.cutoff / (len(self.centres) - 1)
        gaussians = gaussian(0.5 * ((distance[..., None] - self.centres.to(delta.dtype)) / spacing) ** 2)
        return torch.cat([torch.sin(phase), torch.cos(phase), gaussians], dim=-1)

    def _shortest_distance(self, delta: Tensor, cell: Tensor) -> Tensor:
        """(b, n, n), Å: to the nearest of the 27 images around the shortest fractional difference (a pair's own: 0)."""
        vectors = torch.einsum("bijx,bxy->bijy", delta, cell)
        shifts = self.images.to(delta.dtype) @ cell  # (b, 27, 3)
        squared = (
            vectors.square().sum(-1, keepdim=True)
            + 2 * torch.einsum("bijy,bsy->bijs", vectors, shifts)
            + shifts.square().sum(-1)[:, None, None, :]
        )
        return squared.amin(-1).clamp_min(1e-12).sqrt()

    def _crystal_features(self, lattice_coordinates: Tensor, n_atoms: Tensor, time: Tensor) -> Tensor:
        """(b, 39): lattice coordinates, log of the number of atoms, 32 sines and cosines of time."""
        frequency = torch.exp(torch.linspace(0, math.log(100.0), 16, device=time.device, dtype=time.dtype))
        angle = math.pi * time[:, None] * frequency
        size = torch.log(n_atoms.to(time.dtype))[:, None] - 2
        return torch.cat([lattice_coordinates, size, torch.sin(angle), torch.cos(angle)], dim=-1)


class CrystalTransformer(_Trunk):
    """Velocities of positions and lattice for `diffusion.flow.TorusFlow`; its arguments are `_Trunk`'s."""

    def _add_heads(self, width: int) -> None:
        self.position_head = nn.Linear(width, 3, bias=False)
        self.lattice_head = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 6))

    def forward(self, crystals: Crystals, lattice_coordinates: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Velocities at a time.

        Args:
            crystals: noisy crystals.
            lattice_coordinates: (n_crystals, 6), z-scored, of the same cells.
            time: (n_crystals,), in [0, 1].

        Returns:
            (n_atoms_total, 3), fractional, mean zero over each crystal; (n_crystals, 6), z-scored.
        """
        h, pooled, slot = self.encode(crystals, lattice_coordinates, time)
        velocity = self.position_head(h).float()
        velocity = velocity - (velocity.sum(1) / crystals.n_atoms[:, None].to(velocity.dtype))[:, None, :]
        velocity = velocity.flatten(0, 1)[slot].to(crystals.dtype)
        return velocity, self.lattice_head(pooled).to(crystals.dtype)


class CrystalJudge(_Trunk):
    """One number per crystal for `diffusion.judge.Judge`; its arguments are `_Trunk`'s."""

    def _add_heads(self, width: int) -> None:
        self.score_head = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, crystals: Crystals, lattice_coordinates: Tensor) -> Tensor:
        """The logit of a crystal's quality.

        Args:
            crystals: a batch of crystals.
            lattice_coordinates: (n_crystals, 6), z-scored, of the same cells.

        Returns:
            (n_crystals,).
        """
        time = torch.ones_like(lattice_coordinates[:, 0])
        _, pooled, _ = self.encode(crystals, lattice_coordinates, time)
        return self.score_head(pooled)[:, 0].to(crystals.dtype)
