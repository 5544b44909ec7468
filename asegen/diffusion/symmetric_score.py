"""The published score model with a space group: noise in positions and cell lengths, annealed Langevin dynamics.

Sultanov, Crivello, Rebafka and Sokolovska; ε-parametrised, ten noise levels. Sites move within the freedom that their
orbits leave them. With every site in the group's general position this is the published model, whose images are merged
afterwards (`merge_images`); with the true letters it is the same dynamics, the composition exact and nothing to merge.
Lattices move in their free lengths alone, so monoclinic and triclinic crystals have a position score only.

Two things differ from the release, which counts every image of a site that is near a special position as a neighbour
of its own. With `merged`, such images are one atom in the graph already, where they will be one in the end, and the
score towards that place is known: the distance over σ. And what a position is to be denoised to is the nearest of its
equivalents, not the one from which the noise led away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from asegen.crystals.bravais import BRAVAIS
from asegen.crystals.crystals import Crystals
from asegen.crystals.site_graph import SymmetricEdges, symmetric_edges
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.data.labels import Labels
from asegen.diffusion.edge_scores import TIES, lattice_score, lengths, overlap, position_score, soft_lengths
from asegen.diffusion.merging import merge_images
from asegen.diffusion.noise import SampleNoise
from asegen.errors import InputError
from asegen.geometry.lattice import symmetric_basis
from asegen.geometry.torus import wrap

Network = Callable[[Tensor, SymmetricEdges, Tensor], tuple[Tensor, Tensor]]

LEVELS = 10
_POSITION_SIGMA = (6.0, 0.0316)  # Å, of the first level and the last
_LENGTH_SIGMA = (6.0, 0.316)  # of the soft lengths, Å
_POSITION_STEP, _LENGTH_STEP = 1e-3, 1e-2
_LENGTH_NOISE = 0.15
"""c of the lattice's Langevin noise (0.3 in the release)."""
_START = 2.0  # Å, standard deviation of the soft lengths at the start
_SMALLEST = 1.0
"""Å³ per site. A noisy cell below this has no lattice loss."""
_LARGEST_SOFT = 200.0
"""Å. Soft lengths beyond this have left every crystal behind."""


class SymmetricScore:
    """Denoising score matching and annealed Langevin dynamics in positions and lengths.

    Args:
        cutoff: of the graph, Å; the network's.
        default_steps: Langevin iterations at each level; the paper's 60 to 80.
        nearest: neighbours of each site, see `symmetric_edges`; all within the cutoff without it. The paper: 80.
        merged: Å, images of one site nearer than this are one atom in the graph; 0 keeps all apart. The paper merges at
            0.3 Å, at the end.
        general: the sites were in general position in training, and are when sampled, so what they make is not known
            before they are merged.
    """

    labels: ClassVar[Labels] = "symmetry"

    def __init__(
        self, cutoff: float = 6.0, default_steps: int = 60, nearest: int = 0, merged: float = 0.0, general: bool = False
    ) -> None:
        self.cutoff, self.default_steps, self.nearest = cutoff, default_steps, nearest
        self.merged, self.general = merged, general
        span = torch.linspace(0, 1, LEVELS, dtype=torch.float64)
        self.position_sigma, self.length_sigma = (
            first ** (1 - span) * last**span for first, last in (_POSITION_SIGMA, _LENGTH_SIGMA)
        )

    @staticmethod
    def statistics(crystals: Crystals, orbits: Orbits, numbers: Numbers) -> dict[str, list]:
        """No argument follows from the data.

        Args:
            crystals: all of them.
            orbits: theirs.
            numbers: theirs.
        """
        return {}

    def loss(
        self, model: Network, crystals: Crystals, generator: torch.Generator, orbits: Orbits, numbers: Numbers
    ) -> dict[str, Tensor]:
        """`½ MSE(ε_X) + ½ MSE(ε_L)` at a random level per crystal, the same for both.

        Args:
            model: `(numbers, edges, level of each site) -> w_pos, w_lat`.
            crystals: training crystals, those of `orbits` and `numbers`.
            generator: source of levels and noise.
            orbits: their symmetry.
            numbers: their free numbers.
        """
        like = numbers.u
        level = torch.randint(LEVELS, (len(orbits),), device=like.device, generator=generator)
        draw = torch.randn(len(like), 3, device=like.device, dtype=like.dtype, generator=generator)
        cell = orbits.cell(numbers.lattice)
        sigma = self.position_sigma.to(like)[level][orbits.site_crystal, None]
        noisy = numbers._replace(u=numbers.u + sigma * orbits.free_motion(cell, draw))
        epsilon = -_first_atoms(orbits, cell, orbits.shortest_motion(noisy, numbers)) / sigma
        score, _ = self._scores(model, orbits, noisy, level)
        position_loss = (score - epsilon).square().sum() / orbits.free.sum().clamp_min(1)

        ties = _ties(orbits).to(like)
        draw = torch.randn(len(orbits), 3, device=like.device, dtype=like.dtype, generator=generator)
        free = draw * (ties != 0).any(-1)
        soft = soft_lengths(_lengths(numbers.lattice))
        soft = soft + self.length_sigma.to(like)[level, None] * torch.einsum("bfa,bf->ba", ties, free)
        both = Numbers(noisy.u, _with_lengths(numbers.lattice, lengths(soft), ties))
        large = orbits.crystals(both).volume > _SMALLEST * orbits.n_sites
        usable = large & (ties != 0).any((1, 2))
        found = torch.zeros_like(free)
        if bool(usable.any()):
            part = orbits[usable]
            found[usable] = self._scores(model, part, orbits.select(both, usable), level[usable])[1]
        count = ((ties != 0).any(-1) & usable[:, None]).sum().clamp_min(1)
        lattice_loss = ((found - free) * usable[:, None]).square().sum() / count
        loss = 0.5 * position_loss + 0.5 * lattice_loss
        return {"loss": loss.float(), "position": position_loss.float(), "lattice": lattice_loss.float()}

    @torch.no_grad()
    def sample(
        self, model: Network, orbits: Orbits, seeds: Tensor, steps: int | None = None, repulsion: float = 0.0
    ) -> tuple[Numbers, Tensor]:
        """Annealed Langevin dynamics of positions and lattice, in parallel.

        Args:
            model: as in `loss`.
            orbits: of each sample.
            seeds: (n_samples,), int64.
            steps: iterations at each level.
            repulsion: how strongly sites that overlap repel each other, times `overlap`, added to ε; 0 is the paper's
                sampler.

        Returns:
            The free numbers, merged where images are nearer than `merged`, and (n_samples,), bool: which samples
            failed, because a number was not finite or a cell collapsed; their numbers are the start's.

        Raises:
            InputError: a monoclinic or triclinic crystal, whose lattice has no score.
        """
        ties = _ties(orbits).double()
        if not bool((ties != 0).any((1, 2)).all()):
            raise InputError("the published model has no lattices of monoclinic and triclinic crystals")
        noise = SampleNoise(seeds, orbits.n_sites, torch.float64)
        u = noise.atom_uniform(0)
        soft = torch.einsum("bfa,bf->ba", ties, _START * noise.crystal_normal(0, 3))
        start, failed = (u, soft), torch.zeros_like(orbits.group, dtype=torch.bool)
        stream = 1
        for level in range(LEVELS):
            levels = torch.full_like(orbits.group, level)
            sigma, width = self.position_sigma[level], self.length_sigma[level]
            step = _POSITION_STEP * (sigma / self.position_sigma[-1]) ** 2
            stretch = _LENGTH_STEP * (width / self.length_sigma[-1]) ** 2
            for _ in range(steps or self.default_steps):
                now = Numbers(u, _of_lengths(soft, ties))
                positions, lattices = self._scores(model, orbits, now, levels, repulsion)
                walk = -0.5 * step / sigma * positions + step.sqrt() * noise.atom_normal(stream)
                u = wrap(u + orbits.free_motion(orbits.cell(now.lattice), walk))
                walk = -0.5 * stretch / width * lattices
                walk = walk + _LENGTH_NOISE * stretch.sqrt() * noise.crystal_normal(stream, 3)
                soft = soft + torch.einsum("bfa,bf->ba", ties, walk)
                failed = failed | self._broken(orbits, u, soft, ties)
                u = torch.where(failed[orbits.site_crystal, None], start[0], u)
                soft = torch.where(failed[:, None], start[1], soft)
                stream += 1
        found = Numbers(u, _of_lengths(soft, ties))
        if self.merged:
            displacement = _cartesian(orbits, found, merge_images(orbits, found, self.merged).displacement)
            found = found._replace(u=wrap(u + orbits.free_motion(orbits.cell(found.lattice), displacement)))
        return found, failed

    @staticmethod
    def _broken(orbits: Orbits, u: Tensor, soft: Tensor, ties: Tensor) -> Tensor:
        """(n_crystals,), bool: nothing that a graph could be made of."""
        finite = (
            torch.ones_like(soft[:, 0]).index_add(0, orbits.site_crystal, (~torch.isfinite(u)).any(1).double()) == 1
        )
        small = soft.abs().amax(1) < _LARGEST_SOFT
        safe = torch.where((finite & small)[:, None], soft, 0.0)
        volume = torch.linalg.det(orbits.cell(_of_lengths(safe, ties))).abs()
        return ~(finite & small & (volume > _SMALLEST * orbits.n_sites))

    def _scores(
        self, model: Network, orbits: Orbits, numbers: Numbers, level: Tensor, repulsion: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """ε of the sites' first atoms (n_sites_total, 3), Cartesian, and of the free lengths (n_crystals, 3)."""
        graph, known = orbits, torch.zeros_like(numbers.u)
        if self.merged:
            graph, displacement = merge_images(orbits, numbers, self.merged)
            sigma = self.position_sigma.to(numbers.u)[level][orbits.site_crystal, None]
            known = -_cartesian(orbits, numbers, displacement.to(numbers.u)) / sigma
        edges = symmetric_edges(graph, numbers, self.cutoff, self.nearest)
        w_pos, w_lat = model(orbits.numbers, edges, level[orbits.site_crystal])
        cell = _conventional(orbits, numbers.lattice)
        ties = _ties(orbits).to(cell)
        position = position_score(edges, w_pos.to(cell), len(orbits.numbers)) + known
        if repulsion:
            position = position + repulsion * overlap(edges, orbits.numbers)
        return position, lattice_score(edges, w_lat.to(cell), cell, ties, orbits.site_crystal)


def _cartesian(orbits: Orbits, numbers: Numbers, displacement: Tensor) -> Tensor:
    """(n_sites_total, 3), Å, of fractional displacements of sites."""
    return (displacement[:, None] @ orbits.cell(numbers.lattice)[orbits.site_crystal])[:, 0]


def _of_lengths(soft: Tensor, ties: Tensor) -> Tensor:
    """Lattice coordinates (n, 6) of soft lengths (n, 3)."""
    return _with_lengths(torch.zeros_like(soft).repeat(1, 2), lengths(soft), ties)


def _first_atoms(orbits: Orbits, cell: Tensor, displacement: Tensor) -> Tensor:
    """(n_sites_total, 3): Cartesian displacements of the first atoms, Å, for motions of u."""
    return (cell[orbits.site_crystal].mT @ orbits.matrix @ displacement[:, :, None])[:, :, 0]


def _ties(orbits: Orbits) -> Tensor:
    """(n_crystals, 3, 3): which lengths are one; zero for lattices that have more freedom than lengths."""
    table = torch.tensor([TIES.get(name[0], ((0.0,) * 3,) * 3) for name in BRAVAIS], device=orbits.group.device)
    return table[orbits.bravais]


def _lengths(lattice: Tensor) -> Tensor:
    """(n, 3): lengths of conventional cells, Å, from lattice coordinates (n, 6); the strain is diagonal."""
    return torch.exp(torch.einsum("bm,maa->ba", lattice, symmetric_basis(lattice)))


def _with_lengths(lattice: Tensor, length: Tensor, ties: Tensor) -> Tensor:
    """Lattice coordinates (n, 6) with these lengths (n, 3), where there are lengths that are free."""
    coordinates = torch.einsum("ba,maa->bm", torch.log(length), symmetric_basis(lattice))
    return torch.where((ties != 0).any((1, 2))[:, None], coordinates, lattice)


def _conventional(orbits: Orbits, lattice: Tensor) -> Tensor:
    """(n, 3, 3): conventional cells as far as lengths describe them, in the orientation of `orbits.cell`, Å."""
    length = _lengths(lattice)
    cell = torch.diag_embed(length)
    tilted = torch.tensor([[1, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 1]], device=cell.device, dtype=cell.dtype)
    hexagonal = torch.tensor([name[0] == "h" for name in BRAVAIS], device=cell.device)[orbits.bravais]
    return torch.where(hexagonal[:, None, None], tilted @ cell, cell)
