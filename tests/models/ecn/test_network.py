"""ECN against the published layer, written out: a real supercell from ASE, dense matrices over all pairs of cells."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from torch import Tensor

from asegen.models.ecn.edge_orbits import orbit_row
from asegen.models.ecn.messages import CollapsedMessages
from asegen.models.ecn.network import ECN
from asegen.models.megnet import MEGNet
from asegen.structures.atoms import crystals_from_atoms

CELLS = [(x, y, z) for y in (0, 1) for x in (0, 1) for z in (0, 1)]  # in the order of 4 y + 2 x + z


def perovskite() -> Atoms:
    positions = [(0.02, 0, 0), (0.5, 0.52, 0.5), (0.5, 0.5, 0.97), (0.51, 0, 0.5), (0, 0.5, 0.5)]
    return Atoms("SrTiO3", scaled_positions=positions, cell=[[3.9, 0, 0], [0.2, 4.0, 0], [0, 0.1, 4.1]], pbc=True)


class Supercell:
    """Nodes are `atom · 8 + cell`; edges by ASE, plus a self-edge for every node."""

    def __init__(self, atoms: Atoms, cutoff: float) -> None:
        n = len(atoms)
        positions = [p + np.array(c) @ atoms.cell.array for p in atoms.positions for c in CELLS]
        large = Atoms(np.repeat(atoms.numbers, 8), positions=positions, cell=2 * atoms.cell.array, pbc=True)
        i, j, vector = neighbor_list("ijD", large, cutoff)
        nodes = np.arange(8 * n)
        self.i, self.j = torch.tensor([*i, *nodes]), torch.tensor([*j, *nodes])
        self.vector = torch.from_numpy(np.concatenate([vector, np.zeros((8 * n, 3))]))
        self.identity = self.i // 8 == self.j // 8


def dense_messages(layer: CollapsedMessages, group: str, v: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Both layers as matrices over (cell, channel): v enters at the sender's cell, m leaves at the receiver's."""
    row = torch.tensor(orbit_row(group))
    colour = row[torch.arange(8)[:, None] ^ torch.arange(8)]
    width = layer.width
    first = torch.cat([layer.from_receiver, layer.from_sender, layer.from_edge], 1).view(-1, width, v.shape[1])
    big_first = first[colour].permute(0, 2, 1, 3).reshape(8 * width, 8 * v.shape[1])
    big_second = layer.second.mT[colour].permute(0, 2, 1, 3).reshape(8 * width, 8 * width)
    lifted = v.new_zeros(len(v), 8, v.shape[1])
    lifted[torch.arange(len(v)), j % 8] = v
    hidden = torch.nn.functional.silu(lifted.flatten(1) @ big_first.T + layer.first_bias.repeat(8))
    out = torch.nn.functional.silu(hidden @ big_second.T + layer.second_bias.repeat(8)).view(len(v), 8, width)
    return out[torch.arange(len(v)), i % 8]


def published(model: ECN, group: str, atoms: Atoms) -> Tensor:
    """The whole network, node by node of the supercell."""
    graph = Supercell(atoms, model.cutoff)
    numbers = torch.tensor(np.repeat(atoms.numbers, 8))
    features = model.elements(numbers, torch.zeros_like(numbers), 1)
    cells = torch.eye(8, dtype=torch.float64).repeat(len(atoms), 1)
    x = model.atoms(torch.cat([features, cells], 1))
    edge = model.bonds(model.gaussians(graph.vector.norm(dim=-1)))
    displacement = torch.zeros(len(x), 3, dtype=torch.float64)
    i, j, same = graph.i, graph.j, graph.identity
    colour = torch.tensor(orbit_row(group))[(i % 8) ^ (j % 8)]
    for layer in model.layers:
        moving = hasattr(layer, "push")
        vector = graph.vector + displacement[j] - displacement[i]
        seen = torch.cat([edge, vector.square().sum(1, keepdim=True)], 1) if moving else edge
        v = torch.cat([x[i], x[j], seen], 1)
        every = dense_messages(layer.on_all, group, v, i, j)
        identity = dense_messages(layer.on_identity, group, v[same], i[same], j[same])
        received = torch.zeros_like(x).index_add(0, i, layer.gate_all(every))
        received = received.index_add(0, i[same], layer.gate_identity(identity))
        if moving and layer.push is not None:
            push = layer.push(every)[torch.arange(len(i)), colour]
            displacement = displacement.index_add(0, i, -vector * push[:, None])
        x = x + layer.update(torch.cat([received, x], 1))
    return model.heads(model.site(x).mean(0, keepdim=True))


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("group", ["S_8", "P-triclinic", "F-cubic", "I-orthorhombic"])
def test_the_collapsed_form_is_the_published_network(group: str, moving: bool) -> None:
    torch.manual_seed(0)
    model = ECN(group=group, graph="radius", cutoff=4.2, width=10, layers=2, moving=moving).double()
    for layer in model.layers:
        if moving and layer.push is not None:
            torch.nn.init.uniform_(layer.push[2].weight, -0.05, 0.05)
    atoms = perovskite()
    torch.testing.assert_close(model(crystals_from_atoms([atoms])), published(model, group, atoms))


def test_free_cells_are_all_cells_at_once() -> None:
    """With one atom every pair is of an atom and its image: forgetting the cells is the only difference."""
    torch.manual_seed(0)
    free = ECN(group="F-cubic", graph="radius", width=10, layers=2, cells="free").double()
    told = ECN(group="F-cubic", graph="radius", width=10, layers=2).double()
    state = told.state_dict()
    state.update({k: v for k, v in free.state_dict().items() if k != "atoms.weight"})
    state["atoms.weight"] = torch.cat([free.atoms.weight, torch.zeros(10, 8).double()], 1)
    told.load_state_dict(state)
    one = crystals_from_atoms([Atoms("Cu", cell=[[0, 1.8, 1.8], [1.8, 0, 1.9], [1.8, 1.8, 0]], pbc=True)])
    torch.testing.assert_close(told(one), free(one))


def _spread(model: torch.nn.Module, structures: list[Atoms]) -> float:
    """Standard deviation over crystals of what the heads give, before any training."""
    with torch.no_grad():
        return float(model(crystals_from_atoms(structures).to(dtype=torch.float32)).mean(1).std())


@pytest.mark.parametrize(
    ("network", "options"),
    [(ECN, {"graph": "radius", "cells": "free", "width": 32, "layers": 3}), (MEGNet, {"graph": "radius"})],
)
def test_scaled_networks_tell_crystals_apart_from_the_start(network: type, options: dict) -> None:
    rng = np.random.default_rng(0)
    structures = []
    for _ in range(24):
        atoms = perovskite()
        atoms.symbols[:2] = rng.choice(["Sr", "Ba", "La", "Pb", "Ti", "Zr", "Fe", "Cu"], 2)
        structures.append(atoms)
    spreads = []
    for scaled in (False, True):
        torch.manual_seed(0)
        spreads.append(_spread(network(scaled=scaled, heads=8, **options), structures))
    assert spreads[0] < 0.02 and 0.05 < spreads[1] < 2  # of standardised targets, whose spread is 1
