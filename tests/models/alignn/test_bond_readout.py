"""What ALIGNN reads of bonds and angles: structures of one element differ, nothing changes at first, nothing jumps."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from asegen.models.alignn.bond_readout import mean_over_angles, mean_over_bonds
from asegen.models.alignn.line_graph import line_graph
from asegen.models.alignn.network import ALIGNN
from asegen.models.alignn.soft_neighbors import REACH, fading, kth_distance, soft_neighbors
from asegen.structures.atoms import crystals_from_atoms

SMALL = {"width": 8, "alignn_layers": 1, "gcn_layers": 1, "neighbors": 12, "angle_neighbors": 6}


def network(bond_readout: bool, trained: bool = False) -> ALIGNN:
    torch.manual_seed(0)
    made = ALIGNN(**SMALL, bond_readout=bond_readout).double().eval()
    if trained and made.readout is not None:
        torch.nn.init.normal_(made.readout[-1].weight)
    return made


def coppers() -> list[Atoms]:
    lattices = [bulk("Cu", "fcc", a=a) for a in (3.0, 3.6, 4.5, 5.5)]
    return [*lattices, bulk("Cu", "bcc", a=2.87), bulk("Cu", "diamond", a=5.3), bulk("Cu", "sc", a=2.4)]


def energies(model: ALIGNN, structures: list[Atoms]) -> torch.Tensor:
    with torch.no_grad():
        return model(crystals_from_atoms(structures))[:, 0, 0]


def test_structures_of_one_element_differ() -> None:
    flat, read = (energies(network(readout, trained=True), coppers()) for readout in (False, True))
    assert float((flat - flat[0]).abs().max()) < 1e-6  # published: a mean over alike neighbours is one of them
    assert float((read[:, None] - read).abs().add(torch.eye(7)).min()) > 1e-3


def test_it_starts_with_the_function_of_the_weights_that_lack_it() -> None:
    old, new = network(False), network(True)
    missing = new.load_state_dict(old.state_dict(), strict=False).missing_keys
    assert missing == ["readout.0.weight", "readout.0.bias", "readout.2.weight"]
    torch.testing.assert_close(energies(new, coppers()), energies(old, coppers()), atol=0, rtol=0)


@pytest.mark.parametrize("k", [1, 6])
def test_means_count_bonds_and_angles_by_their_weights(k: int) -> None:
    """Against ASE's neighbours, one pair of bonds after the other."""
    rng = np.random.default_rng(0)
    cell = np.eye(3) * 3.5 + rng.normal(size=(3, 3)) / 4
    atoms = Atoms("CuAu", scaled_positions=rng.random((2, 3)), cell=cell, pbc=True)
    soft = soft_neighbors(crystals_from_atoms([atoms]), 12)
    graph = line_graph(soft, 2, k)
    bonds = mean_over_bonds(soft.distance[:, None], soft.weight, soft.edges.i, 2)[:, 0]
    angles = mean_over_angles([cosine[..., None] for cosine in graph.cosine], soft, graph, 2)[:, 0]
    i, distance, vector = neighbor_list("idD", atoms, 15.0)
    for atom in range(2):
        order = np.argsort(distance[i == atom])
        d, v = distance[i == atom][order], vector[i == atom][order]
        weights = [soft_weights(d, of) for of in (12, k)]
        cosine, pair = (v @ v.T) / np.outer(d, d), np.outer(weights[1], weights[1]) * (1 - np.eye(len(d)))
        mean_angle = (cosine * pair).sum() / pair.sum() if pair.sum() > 0 else 0.0
        assert float(bonds[atom]) == pytest.approx((d * weights[0]).sum() / weights[0].sum(), abs=1e-9)
        assert float(angles[atom]) == pytest.approx(mean_angle, abs=1e-9)


def soft_weights(distance: np.ndarray, k: int) -> np.ndarray:
    d = torch.from_numpy(distance)
    kth = kth_distance(d, torch.zeros(len(d), dtype=torch.int64), 1, k)
    return (fading(d, kth.expand_as(d)) * (d <= REACH * kth)).numpy()
