"""Both EMPNNs: every symmetry of a crystal, batch = single, finite gradients at symmetric crystals, bounded steps."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.geometry.lattice import symmetric_exp
from asegen.models.empnn.moment_network import MomentEMPNN
from asegen.models.empnn.network import EMPNN, LatticeRegressor
from asegen.models.empnn.shells import neighborhoods_of
from asegen.relaxation.motion import total_motion

COUNTS = (3, 1, 4)
CLOSE = {"atol": 1e-8, "rtol": 1e-6}


def make(seed: int) -> Crystals:
    kwargs = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    cell = 4 * torch.eye(3, dtype=torch.float64) + 0.4 * torch.randn(len(COUNTS), 3, 3, **kwargs)
    numbers = torch.randint(1, 90, (sum(COUNTS),), generator=kwargs["generator"])
    return Crystals(cell, torch.rand(sum(COUNTS), 3, **kwargs), numbers, torch.tensor(COUNTS))


@cache
def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    made: dict[str, Callable[[], torch.nn.Module]] = {
        "moment": lambda: MomentEMPNN(width=16, channels=4, first_layers=2, steps=2, neighbors=9, radial=12),
        "moment-new": lambda: MomentEMPNN(
            width=16, channels=4, first_layers=1, steps=2, neighbors=9, radial=12, new_neighbors=True
        ),
        "published": lambda: EMPNN(moves="both", width=16, messages=1, steps=2, neighbors=10),
        "cross": lambda: EMPNN("ketbra-cross", "both", "first-order", width=16, messages=1, steps=2, neighbors=10),
        "angle": lambda: EMPNN("gradient-angle", "lattice", width=16, messages=1, steps=2, neighbors=10),
    }
    return made[name]().double()


NAMES = ["moment", "moment-new", "published", "cross", "angle"]


def motion(name: str, crystals: Crystals) -> Tangent:
    with torch.no_grad():
        return total_motion(network(name)(crystals))


def unimodular(seed: int) -> Tensor:
    """A random product of shears with determinant 1, integer."""
    generator = torch.Generator().manual_seed(seed)
    h = torch.eye(3, dtype=torch.float64)
    for _ in range(3):
        a, b = torch.randperm(3, generator=generator)[:2].tolist()
        shear = torch.eye(3, dtype=torch.float64)
        shear[a, b] = [-1.0, 1.0][int(torch.randint(2, (), generator=generator))]
        h = shear @ h
    return h


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
def test_motion_turns_and_moves_with_the_crystal(name: str, seed: int) -> None:
    crystals = make(seed)
    here = motion(name, crystals)
    generator = torch.Generator().manual_seed(seed + 1)
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))  # reflections among them
    turned = motion(name, crystals.replace(cell=crystals.cell @ q))
    torch.testing.assert_close(turned.displacement, here.displacement, **CLOSE)
    torch.testing.assert_close(turned.strain, q.T @ here.strain @ q, **CLOSE)
    shift = torch.rand(3, dtype=torch.float64, generator=generator)
    moved = motion(name, crystals.replace(scaled_positions=crystals.scaled_positions + shift))
    torch.testing.assert_close(moved.displacement, here.displacement, **CLOSE)
    torch.testing.assert_close(moved.strain, here.strain, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
def test_motion_does_not_depend_on_the_choice_of_the_cell(name: str, seed: int) -> None:
    crystals, h = make(seed), unimodular(seed)
    inverse = torch.linalg.inv(h)
    here = motion(name, crystals)
    other = crystals.replace(cell=h @ crystals.cell, scaled_positions=crystals.scaled_positions @ inverse)
    there = motion(name, other)
    torch.testing.assert_close(there.displacement, here.displacement @ inverse, **CLOSE)
    torch.testing.assert_close(there.strain, here.strain, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_motion_of_a_supercell_and_of_permuted_atoms(name: str) -> None:
    crystals = make(3)[0]
    here = motion(name, crystals)
    double = torch.diag(torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64))
    x = crystals.scaled_positions @ torch.linalg.inv(double)
    twice = Crystals(
        double @ crystals.cell,
        torch.cat([x, x + torch.tensor([0, 0.5, 0], dtype=torch.float64)]),
        crystals.numbers.repeat(2),
        crystals.n_atoms * 2,
    )
    there = motion(name, twice)
    torch.testing.assert_close(there.strain, here.strain, **CLOSE)
    torch.testing.assert_close(there.displacement @ double, here.displacement.repeat(2, 1), **CLOSE)
    order = torch.tensor([2, 0, 1])
    permuted = Crystals(crystals.cell, crystals.scaled_positions[order], crystals.numbers[order], crystals.n_atoms)
    torch.testing.assert_close(motion(name, permuted).displacement, here.displacement[order], **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_batch_is_single(name: str) -> None:
    crystals = make(5)
    together = motion(name, crystals)
    parts = [motion(name, crystals[k]) for k in range(len(crystals))]
    torch.testing.assert_close(torch.cat([p.displacement for p in parts]), together.displacement, **CLOSE)
    torch.testing.assert_close(torch.cat([p.strain for p in parts]), together.strain, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_a_rock_salt_keeps_its_symmetry_and_gives_finite_gradients(name: str) -> None:
    cell = torch.tensor([[[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]]], dtype=torch.float64)
    x = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], dtype=torch.float64)
    crystals = Crystals(cell, x, torch.tensor([11, 17]), torch.tensor([2]))
    found = motion(name, crystals)
    torch.testing.assert_close(found.strain[0], found.strain[0, 0, 0] * torch.eye(3, dtype=torch.float64), **CLOSE)
    torch.testing.assert_close(found.displacement, torch.zeros_like(x), **CLOSE)
    model = network(name)
    model.zero_grad()
    for tangent in model(crystals):
        (tangent.strain.square().sum() + tangent.displacement.square().sum()).backward(retain_graph=True)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_default_moves_continuously_when_neighbours_change_places() -> None:
    crystals = make(7)
    offset = 1e-6 * torch.randn(sum(COUNTS), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = motion("moment", crystals)
    after = motion("moment", crystals.replace(scaled_positions=crystals.scaled_positions + offset))
    torch.testing.assert_close(after.strain, before.strain, atol=1e-4, rtol=0)
    torch.testing.assert_close(after.displacement, before.displacement, atol=1e-4, rtol=0)


def test_only_what_is_asked_for_moves_and_no_step_is_larger_than_its_limit() -> None:
    crystals = make(2)
    torch.manual_seed(0)
    for moves in ("lattice", "positions"):
        model = MomentEMPNN(moves, width=8, channels=2, steps=2, neighbors=6, radial=8).double()
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(30)  # far outside what training gives
        for tangent in model(crystals):
            assert bool((tangent.strain == 0).all()) == (moves == "positions")
            assert bool((tangent.displacement == 0).all()) == (moves == "lattice")
            assert torch.linalg.eigvalsh(tangent.strain).abs().max() <= 0.5 + 1e-9
            assert torch.isfinite(tangent.displacement).all()
    with pytest.raises(InputError, match="positions"):
        MomentEMPNN("nothing")
    with pytest.raises(InputError, match="first-order"):
        EMPNN(rule="second-order")


def test_the_published_sizes() -> None:
    """3.44 M parameters for denoising, 5.58 M for reconstruction, as counted in the published code."""

    def size(model: torch.nn.Module) -> float:
        return sum(p.numel() for p in model.parameters()) / 1e6

    assert abs(size(EMPNN()) - 3.44) < 0.01
    assert abs(size(EMPNN(steps=8)) - 5.58) < 0.01


def test_the_baseline_reads_no_orientation() -> None:
    torch.manual_seed(0)
    model, crystals = LatticeRegressor(width=16, messages=2, layers=2, neighbors=10).double(), make(4)
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    found = model(crystals)
    assert found.shape == (len(COUNTS), 6)
    torch.testing.assert_close(model(crystals.replace(cell=crystals.cell @ q)), found, **CLOSE)


def test_the_second_step_sees_what_the_first_made() -> None:
    """A network of one step, asked again, gives the second step of one that has the same weights twice."""
    torch.manual_seed(0)
    model = MomentEMPNN(width=8, channels=2, first_layers=1, steps=2, neighbors=7, radial=8).double()
    crystals = make(6)
    with torch.no_grad():
        first, second = model(crystals)
        near = neighborhoods_of(crystals, 7).moved(first.displacement)
        around = crystals.replace(cell=crystals.cell @ symmetric_exp(first.strain))
        h, _ = model.steps[0](model.atoms(crystals.numbers), crystals, neighborhoods_of(crystals, 7), model.basis)
        _, again = model.steps[1](h, around, near, model.basis)
    torch.testing.assert_close(again.strain, second.strain)
    torch.testing.assert_close(again.displacement, second.displacement)


@pytest.mark.parametrize("row", ["edges", "triplets", "both", "area", "angle"])
def test_symmetrised_gradients_are_the_same_model_with_weights_of_half_the_size(row: str) -> None:
    """Two of Table 2's blocks are one: what one can learn, so can the other."""
    torch.manual_seed(0)
    options = {"width": 12, "messages": 1, "steps": 2, "neighbors": 8}
    once, twice = (EMPNN(f"{name}-{row}", **options).double().eval() for name in ("gradient", "gradient-sym"))
    half = {k: v / 2 if "_weights.last." in k else v for k, v in once.state_dict().items()}
    twice.load_state_dict(half)
    for ours, theirs in zip(twice(make(3)), once(make(3)), strict=True):
        torch.testing.assert_close(ours.strain, theirs.strain)


def test_partners_and_mixed_precision_are_for_training() -> None:
    torch.manual_seed(0)
    sparing = EMPNN(width=12, messages=1, steps=2, neighbors=8, partners=3)
    exact = EMPNN(width=12, messages=1, steps=2, neighbors=8)
    exact.load_state_dict(sparing.state_dict())
    crystals = make(5).to(dtype=torch.float32)
    with torch.no_grad():
        expected = torch.stack([t.strain for t in exact(crystals)])
        drawn = torch.stack([t.strain for t in sparing(crystals)])
        sparing.eval()
        all_of_them = torch.stack([t.strain for t in sparing(crystals)])
        with torch.autocast("cpu", torch.bfloat16):
            mixed = torch.stack([t.strain for t in sparing(crystals)])
    torch.testing.assert_close(all_of_them, expected)
    largest = float(expected.abs().max())
    assert 1e-6 < float((drawn - expected).abs().max()) < 0.5 * largest
    assert 0 < float((mixed - expected).abs().max()) < 0.02 * largest
