"""The published score model with a space group: noise in positions and cell lengths, annealed Langevin dynamics.

Sultanov, Crivello, Rebafka and Sokolovska; ε-parametrised, ten noise levels. Sites move within the freedom that their
orbits leave them. With every site in the group's general position this is the published model, whose images are merged
afterwards (`merge_images`); with the true letters it is the same dynamics, the composition exact and nothing to merge.
Lattices move in their free lengths alone, so monoclinic and triclinic crystals have a position score only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from asegen.crystal import Crystals
from asegen.diffusion.edge_scores import TIES, lattice_score, lengths, position_score, soft_lengths
from asegen.diffusion.noise import SampleNoise
from asegen.errors import InputError
from asegen.geometry.lattice import symmetric_basis
from asegen.geometry.neighbors import neighbors_within
from asegen.geometry.torus import wrap
from asegen.nn.symmetric_multigraph import SymmetricEdges, symmetric_edges
from asegen.orbits import BRAVAIS, Numbers, Orbits

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
MERGED = 0.3
"""Å. Images of one site nearer than this are one atom (0.4 in the release)."""


class SymmetricScore:
    """Denoising score matching and annealed Langevin dynamics in positions and lengths.

    Args:
        cutoff: of the graph, Å; the network's.
        default_steps: Langevin iterations at each level; the paper's 60 to 80.
    """

    symmetric = True

    def __init__(self, cutoff: float = 6.0, default_steps: int = 60) -> None:
        self.cutoff, self.default_steps = cutoff, default_steps
        span = torch.linspace(0, 1, LEVELS, dtype=torch.float64)
        self.position_sigma, self.length_sigma = (
            first ** (1 - span) * last**span for first, last in (_POSITION_SIGMA, _LENGTH_SIGMA)
        )

    @staticmethod
    def statistics(crystals: Crystals, orbits: Orbits, numbers: Numbers) -> dict[str, list]:
        """None are needed."""
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
        way = orbits.free_motion(cell, draw)
        epsilon = _first_atoms(orbits, cell, way)
        sigma = self.position_sigma.to(like)[level]
        noisy = numbers._replace(u=numbers.u + sigma[orbits.site_crystal, None] * way)
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
    def sample(self, model: Network, orbits: Orbits, seeds: Tensor, steps: int | None = None) -> Numbers:
        """Annealed Langevin dynamics, positions and lattice in turn.

        Args:
            model: as in `loss`.
            orbits: of each sample.
            seeds: (n_samples,), int64.
            steps: iterations at each level.

        Raises:
            InputError: a monoclinic or triclinic crystal, whose lattice has no score.
        """
        ties = _ties(orbits).double()
        if not bool((ties != 0).any((1, 2)).all()):
            raise InputError("the published model has no lattices of monoclinic and triclinic crystals")
        noise = SampleNoise(seeds, orbits.n_sites, torch.float64)
        u = noise.atom_uniform(0)
        soft = torch.einsum("bfa,bf->ba", ties, _START * noise.crystal_normal(0, 3))
        stream = 1
        for level in range(LEVELS):
            levels = torch.full_like(orbits.group, level)
            sigma, width = self.position_sigma[level], self.length_sigma[level]
            step = _POSITION_STEP * (sigma / self.position_sigma[-1]) ** 2
            stretch = _LENGTH_STEP * (width / self.length_sigma[-1]) ** 2
            for _ in range(steps or self.default_steps):
                lattice = _with_lengths(torch.zeros_like(soft).repeat(1, 2), lengths(soft), ties)
                cell = orbits.cell(lattice)
                score, _ = self._scores(model, orbits, Numbers(u, lattice), levels)
                walk = -0.5 * step / sigma * score + step.sqrt() * noise.atom_normal(stream)
                u = wrap(u + orbits.free_motion(cell, walk))
                _, score = self._scores(model, orbits, Numbers(u, lattice), levels)
                walk = -0.5 * stretch / width * score + _LENGTH_NOISE * stretch.sqrt() * noise.crystal_normal(stream, 3)
                soft = soft + torch.einsum("bfa,bf->ba", ties, walk)
                stream += 1
        return Numbers(u, _with_lengths(torch.zeros_like(soft).repeat(1, 2), lengths(soft), ties))

    def _scores(self, model: Network, orbits: Orbits, numbers: Numbers, level: Tensor) -> tuple[Tensor, Tensor]:
        """ε of the sites' first atoms (n_sites_total, 3), Cartesian, and of the free lengths (n_crystals, 3)."""
        edges = symmetric_edges(orbits, numbers, self.cutoff)
        w_pos, w_lat = model(orbits.numbers, edges, level[orbits.site_crystal])
        cell = _conventional(orbits, numbers.lattice)
        ties = _ties(orbits).to(cell)
        position = position_score(edges, w_pos.to(cell), len(orbits.numbers))
        return position, lattice_score(edges, w_lat.to(cell), cell, ties, orbits.site_crystal)


def _first_atoms(orbits: Orbits, cell: Tensor, way: Tensor) -> Tensor:
    """(n_sites_total, 3): Cartesian displacements of the first atoms, Å, for motions of u."""
    return (cell[orbits.site_crystal].mT @ orbits.matrix @ way[:, :, None])[:, :, 0]


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


def merge_images(crystals: Crystals, site: Tensor, distance: float = MERGED) -> Crystals:
    """Crystals in which images of one site that are nearer than a distance are one atom, at their mean.

    Args:
        crystals: in float64.
        site: (n_atoms_total,), int64, the site of each atom.
        distance: Å.
    """
    near = neighbors_within(crystals.cell, crystals.scaled_positions, crystals.n_atoms, distance)
    same = (site[near.i] == site[near.j]).cpu().numpy()
    i, j = near.i.cpu().numpy()[same], near.j.cpu().numpy()[same]
    n = len(site)
    count, label = connected_components(coo_matrix((same[same], (i, j)), (n, n)), directed=False)
    group = torch.from_numpy(label).to(site.device).long()
    first = torch.full((count,), n, device=site.device).scatter_reduce(
        0, group, torch.arange(n, device=site.device), "amin"
    )
    off = crystals.scaled_positions - crystals.scaled_positions[first][group]
    off = off - torch.round(off)
    mean = torch.zeros_like(crystals.scaled_positions[:count]).index_add(0, group, off)
    mean = mean / torch.bincount(group, minlength=count)[:, None]
    order = torch.argsort(first)  # groups in the order of their first atoms keep crystals contiguous
    kept = first[order]
    n_atoms = torch.bincount(crystals.batch[kept], minlength=len(crystals))
    positions = wrap(crystals.scaled_positions[kept] + mean[order])
    return Crystals(crystals.cell, positions, crystals.numbers[kept], n_atoms)
