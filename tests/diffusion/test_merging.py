"""Images of a site near a special position become one atom, exactly there, whatever the group."""

import pytest
import torch

from asegen.crystals.crystals import Crystals
from asegen.crystals.wyckoff import Numbers, Orbits
from asegen.diffusion.merging import merge_images
from asegen.geometry.torus import shortest
from asegen.symmetry.analysis import find_symmetry
from asegen.symmetry.batches import make_orbits
from asegen.symmetry.groups import space_group


def lattice(*lengths: float) -> torch.Tensor:
    """Coordinates of cubic conventional cells, Å."""
    found = torch.zeros(len(lengths), 6, dtype=torch.float64)
    found[:, 5] = 3**0.5 * torch.log(torch.tensor(lengths).double())
    return found


def merged(orbits: Orbits, numbers: Numbers, distance: float = 0.3) -> Crystals:
    return merge_images(orbits, numbers, distance).orbits.crystals(numbers)


def test_images_of_a_site_near_a_special_position_become_one_atom() -> None:
    general = make_orbits([(225, [("l", 11), ("l", 17)])])
    u = torch.tensor([[0.004, 0.003, 0.002], [0.497, 0.502, 0.499]], dtype=torch.float64)
    found = merged(general, Numbers(u, lattice(5.64)))
    assert found.n_atoms.tolist() == [2] and found.numbers.tolist() == [11, 17]
    expected = torch.tensor([[0, 0, 0], [0.5, 0.5, 0.5]]).double()
    assert float(shortest(found.scaled_positions - expected).abs().max()) < 1e-9
    elsewhere = u + torch.tensor([0.1, 0.21, 0.04])
    assert merged(general, Numbers(elsewhere, lattice(5.64))).n_atoms.tolist() == [96]


def test_merging_keeps_crystals_apart_and_in_order() -> None:
    orbits = make_orbits([(225, [("l", 11)]), (221, [("n", 55), ("n", 17)])])
    u = torch.tensor([[0.0, 0.001, 0.0], [0.25, 0.2, 0.3], [0.5, 0.5, 0.499]], dtype=torch.float64)
    found = merged(orbits, Numbers(u, lattice(6.0, 6.0)))
    assert found.n_atoms.tolist() == [1, 49] and found.numbers.tolist() == [11, *[55] * 48, 17]


@pytest.mark.parametrize("number", [12, 62, 123, 166, 194, 216, 225, 227])
def test_a_site_beside_any_special_position_comes_to_lie_on_it(number: int) -> None:
    group = space_group(number)
    general = make_orbits([(number, [(group.positions[-1].letter, 11)])])
    cell = lattice(20.0)
    for position in group.positions[:-1]:
        on = torch.from_numpy(position.matrix @ [0.19, 0.211, 0.44] + position.shift)
        u = (on + 0.002 * torch.tensor([0.6, -0.5, 0.62])).double()[None]
        found = merge_images(general, Numbers(u, cell), 0.3)
        crystals = found.orbits.crystals(Numbers(u, cell))
        assert len(crystals.numbers) == position.size
        structure = (crystals.cell[0].numpy(), crystals.scaled_positions.numpy(), crystals.numbers.numpy())
        assert sum(site.number == 11 for site in find_symmetry(*structure, symprec=1e-5).sites) == 1
        assert float((found.displacement @ crystals.cell[0]).norm()) < 0.3
