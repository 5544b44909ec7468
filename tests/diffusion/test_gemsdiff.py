"""GemsDiff's processes: training targets and noise, samplers with a network that knows the answer, symmetries."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ase.cell import Cell
from scipy.linalg import expm, logm, sqrtm
from torch import Tensor

from asegen.crystals.crystals import Crystals
from asegen.diffusion.gemsdiff import GemsDiff, GemsDiffOneShot, GemsDiffParameters
from asegen.diffusion.noise import SampleNoise
from asegen.diffusion.position_diffusion import RULES, STEPS
from asegen.errors import InputError
from asegen.geometry.lattice import lie_basis
from asegen.models.gemsnet.network import GemsNet, GemsNetEncoderDecoder, GemsNetParameters

KINDS = [GemsDiff, GemsDiffParameters, GemsDiffOneShot]
EYE = torch.eye(3, dtype=torch.float64)
Model = Callable[..., tuple[Tensor, Tensor]]


def crystals_of(seed: int, counts: tuple[int, ...] = (4, 2, 5)) -> Crystals:
    generator = torch.Generator().manual_seed(seed)
    kwargs = {"generator": generator, "dtype": torch.float64}
    cell = 4 * EYE + 0.4 * torch.randn(len(counts), 3, 3, **kwargs)
    numbers = torch.randint(1, 90, (sum(counts),), generator=generator)
    return Crystals(cell, torch.rand(sum(counts), 3, **kwargs), numbers, torch.tensor(counts))


def process_of(kind: type, crystals: Crystals, **options: Any) -> Any:
    return kind(**kind.statistics(crystals), **options)


def canonical(cell: Tensor) -> Tensor:
    """The symmetric root of the metric tensor, by scipy."""
    return torch.tensor(np.stack([np.real(sqrtm((c @ c.T).numpy())) for c in cell]))


def parameters(cell: Tensor) -> Tensor:
    """Lattice parameters, by ASE."""
    return torch.tensor(np.stack([Cell(c).cellpar() for c in cell.numpy()]))


def answer(process: Any, crystals: Crystals) -> Model:
    """A network that knows the data."""
    known = parameters(crystals.cell)
    normalised = (known - process.parameter_mean) / process.parameter_std
    acted = normalised if isinstance(process, GemsDiffParameters) else canonical(crystals.cell) - EYE
    return lambda noisy, *time: (noisy.displacement_to(crystals), acted)


class Spy:
    """A network that answers zero and keeps what it saw."""

    def __init__(self, like: Any) -> None:
        self.width = (6,) if isinstance(like, GemsDiffParameters) else (3, 3)
        self.seen: list[tuple[Crystals, Tensor | None]] = []

    def __call__(self, noisy: Crystals, time: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.seen.append((noisy, time))
        return torch.zeros_like(noisy.scaled_positions), noisy.cell.new_zeros(len(noisy), *self.width)


# -- training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", ["paper", "as-run"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_has_no_loss(kind: type, rules: str) -> None:
    crystals = crystals_of(0)
    process = process_of(kind, crystals, rules=rules)
    losses = process.loss(answer(process, crystals), crystals, torch.Generator().manual_seed(0))
    assert all(float(value) < 1e-8 for value in losses.values())


@pytest.mark.parametrize(("rules", "power"), [("paper", 2), ("as-run", 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_published_one(kind: type, rules: str, power: int) -> None:
    """‖x_0 − x_t − k*‖ with k* found among 125 translations, and normalised parameters of the unit cube by ASE."""
    crystals = crystals_of(1)
    process = process_of(kind, crystals, rules=rules)
    spy = Spy(process)
    losses = process.loss(spy, crystals, torch.Generator().manual_seed(0))
    noisy = spy.seen[0][0]
    grid = torch.cartesian_prod(*[torch.arange(-2.0, 3.0)] * 3).double()
    ways = crystals.scaled_positions[:, None] - noisy.scaled_positions[:, None] - grid
    nearest = ways[torch.arange(len(ways)), ways.square().sum(-1).argmin(1)]
    expected = nearest.abs().pow(power).mean()
    mean, std = process.parameter_mean, process.parameter_std
    unit_cube = torch.tensor([1, 1, 1, 90, 90, 90], dtype=torch.float64)
    predicted = torch.zeros(6) if kind is GemsDiffParameters else (unit_cube - mean) / std
    lattice = ((parameters(crystals.cell) - mean) / std - predicted).abs().pow(power).mean()
    torch.testing.assert_close(losses["position"], expected)
    torch.testing.assert_close(losses["lattice"], lattice)
    torch.testing.assert_close(losses["loss"], expected + lattice)


@pytest.mark.parametrize("kind", [GemsDiff, GemsDiffParameters])
def test_the_printed_target_is_the_posteriors_mean(kind: type) -> None:
    """Equation 15: the lattice parameters of exp(Σ μ̃_t π), μ̃_t of Ho et al., equation 7, by scipy and ASE."""
    crystals = crystals_of(1)
    process = process_of(kind, crystals, rules="as-run", lattice_target="posterior")
    spy = Spy(process)
    loss = process.loss(spy, crystals, torch.Generator().manual_seed(0))["lattice"]
    ((noisy, time),) = spy.seen
    beta = np.linspace(1e-5, 1e-1, STEPS)
    bar = np.concatenate([[1.0], np.cumprod(1 - beta)])
    means = []
    for t, now, first in zip(time.tolist(), noisy.cell.numpy(), canonical(crystals.cell).numpy(), strict=True):
        of_first = math.sqrt(bar[t - 1]) * beta[t - 1] / (1 - bar[t])
        of_now = math.sqrt(1 - beta[t - 1]) * (1 - bar[t - 1]) / (1 - bar[t])
        means.append(expm(of_first * np.real(logm(first)) + of_now * np.real(logm(now))))
    mean, std = process.parameter_mean, process.parameter_std
    unit_cube = torch.tensor([1, 1, 1, 90, 90, 90], dtype=torch.float64)
    predicted = torch.zeros(6) if kind is GemsDiffParameters else (unit_cube - mean) / std
    expected = ((parameters(torch.tensor(np.stack(means))) - mean) / std - predicted).abs().mean()
    torch.testing.assert_close(loss, expected)
    plain = process_of(kind, crystals, rules="as-run")
    assert not torch.isclose(loss, plain.loss(Spy(plain), crystals, torch.Generator().manual_seed(0))["lattice"])


@pytest.mark.parametrize("kind", [GemsDiff, GemsDiffParameters])
@pytest.mark.parametrize(("rules", "power"), [("paper", 2), ("as-run", 1)])
def test_weighted_errors_count_in_units_of_the_noise(kind: type, rules: str, power: int) -> None:
    """A network that says nothing is wrong by as much as the noise, at whatever time, until that is uniform."""
    crystals = crystals_of(2, (3,) * 500)
    process = process_of(kind, crystals, rules=rules, weighting="noise")
    spy = Spy(process)
    found = float(process.loss(spy, crystals, torch.Generator().manual_seed(0))["position"])
    ((noisy, time),) = spy.seen
    variance = 1 - np.concatenate([[1.0], np.cumprod(1 - np.linspace(1e-6, 6e-3, STEPS))])[time.numpy()]
    unit = np.sqrt(np.clip(variance, 4e-4, 1 / 12))[crystals.batch.numpy(), None]
    errors = np.abs(noisy.displacement_to(crystals).numpy() / unit) ** power
    assert found == pytest.approx(errors.mean())
    early = (variance > 4e-4) & (variance < 0.01)
    told = errors.mean(1).reshape(-1, 3).mean(1)[early].mean()
    scatter = 2 / 3 if process.rules.centred else 1.0  # without the mean of three atoms
    expected = scatter if power == 2 else math.sqrt(2 / math.pi * scatter)
    assert told == pytest.approx(expected, rel=0.15)
    plain = process_of(kind, crystals, rules=rules)
    assert float(plain.loss(Spy(plain), crystals, torch.Generator().manual_seed(0))["position"]) < found / 2


def test_statistics_are_those_of_ases_parameters() -> None:
    crystals = crystals_of(2, (2,) * 30)
    found = GemsDiff.statistics(crystals)
    np.testing.assert_allclose(found["parameter_mean"], parameters(crystals.cell).mean(0), rtol=1e-9)
    np.testing.assert_allclose(found["parameter_std"], parameters(crystals.cell).std(0), rtol=1e-9)
    cubes = crystals.replace(cell=(4 * EYE).expand(30, 3, 3))
    assert min(GemsDiff.statistics(cubes)["parameter_std"]) > 0


def many(count: int) -> Crystals:
    """Copies of one crystal, so that noise can be averaged over."""
    one = crystals_of(3, (5,))
    return one[torch.zeros(count, dtype=torch.int64)]


@pytest.mark.parametrize("rules", ["paper", "as-run"])
def test_training_noise_is_that_of_q_at_every_time(rules: str) -> None:
    crystals = many(20_000)
    process = process_of(GemsDiff, crystals_of(0), rules=rules, last_beta=2e-3)
    spy = Spy(process)
    process.loss(spy, crystals, torch.Generator().manual_seed(0))
    noisy, time = spy.seen[0]
    assert time is not None
    assert set(time.tolist()) == set(range(1, STEPS + 1))  # the last is trained, the data itself isn't
    alpha_bar = np.cumprod(1 - np.linspace(1e-6, 2e-3, STEPS))
    lattice_bar = np.cumprod(1 - np.linspace(1e-5, 1e-1, STEPS))
    moved = (noisy.displacement_to(crystals)).view(-1, 5, 3)
    if rules == "as-run":  # centred before it is wrapped: exact where no atom comes near half a cell
        calm = time < 30
        assert moved[calm].mean(1).abs().max() < 1e-12
    share = 1 - 1 / 5 if rules == "as-run" else 1.0  # what centring leaves of the variance
    x = np.log(np.linalg.eigvalsh(canonical(crystals.cell[:1])[0].numpy()))  # only to check the volume below
    for t in (20, 45):
        mine = time == t
        count = int(mine.sum())
        variance = float(moved[mine].square().mean())
        assert math.isclose(variance, share * (1 - alpha_bar[t - 1]), rel_tol=6 / math.sqrt(15 * count))
        log_volume = torch.linalg.det(noisy.cell[mine]).log().numpy() / math.sqrt(3)
        mean, std = math.sqrt(lattice_bar[t - 1]) * x.sum() / math.sqrt(3), math.sqrt(1 - lattice_bar[t - 1])
        assert abs(log_volume.mean() - mean) < 5 * std / math.sqrt(count)
        assert math.isclose(log_volume.std(), std, rel_tol=5 / math.sqrt(2 * count))


def test_lattices_are_diffused_along_the_basis_of_the_paper() -> None:
    crystals = crystals_of(4)
    process = process_of(GemsDiff, crystals)
    x = torch.randn(3, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = np.stack([expm(np.einsum("m,mab->ab", row, lie_basis(EYE).numpy())) for row in x.numpy()])
    np.testing.assert_allclose(process._cell(x).numpy(), expected, rtol=1e-10, atol=1e-12)
    coordinates = process._lattice_coordinates(crystals.cell @ crystals.cell.mT)
    assert torch.equal(coordinates[:, :3], torch.zeros(3, 3, dtype=torch.float64))
    torch.testing.assert_close(process._cell(coordinates), canonical(crystals.cell))


def test_rotations_are_noised_by_the_papers_rules_alone() -> None:
    crystals = many(50)
    for rules, turned in (("paper", True), ("as-run", False)):
        process = process_of(GemsDiff, crystals_of(0), rules=rules)
        spy = Spy(process)
        process.loss(spy, crystals, torch.Generator().manual_seed(0))
        cell = spy.seen[0][0].cell
        assert (float((cell - cell.mT).abs().max()) > 1e-3) is turned


def test_one_shot_trains_in_the_unit_cube() -> None:
    crystals = crystals_of(5)
    process = process_of(GemsDiffOneShot, crystals)
    spy = Spy(process)
    process.loss(spy, crystals, torch.Generator().manual_seed(0))
    noisy, time = spy.seen[0]
    assert time is None and torch.equal(noisy.cell, EYE.expand(3, 3, 3))


# -- sampling ------------------------------------------------------------------------------------------------------


def noise_of(crystals: Crystals, first_seed: int = 1) -> SampleNoise:
    seeds = torch.arange(first_seed, first_seed + len(crystals))
    return SampleNoise(seeds, crystals.n_atoms, torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_sampled(kind: type) -> None:
    crystals = crystals_of(6)
    for rules, jump, steps in itertools.product(("paper", "as-run"), (False, True), (None, 7, 1)):
        case = f"{rules}, jump {jump}, {steps} steps"
        process = process_of(kind, crystals, rules=rules, jump=jump)
        model = answer(process, crystals)
        drawn = process.sample(model, crystals.numbers, crystals.n_atoms, noise_of(crystals), steps)
        assert float(drawn.displacement_to(crystals).abs().max()) < 1e-9, case
        assert torch.allclose(drawn.cell @ drawn.cell.mT, crystals.cell @ crystals.cell.mT, rtol=1e-7, atol=1e-7), case
        assert torch.equal(drawn.numbers, crystals.numbers) and (torch.linalg.det(drawn.cell) > 0).all(), case


def seen_while_sampling(process: Any, crystals: Crystals) -> list[tuple[Crystals, Tensor | None]]:
    exact, seen = answer(process, crystals), []

    def model(noisy: Crystals, time: Tensor | None = None) -> tuple[Tensor, Tensor]:
        seen.append((noisy, time))
        return exact(noisy)

    process.sample(model, crystals.numbers, crystals.n_atoms, noise_of(crystals))
    return seen


def test_the_sampler_sees_the_noise_that_training_saw() -> None:
    """With a network that knows the data, positions and lattices at time t are distributed as q(x_t | x_0).

    At first only nearly: the network names one image of an atom's place, the posterior is a mixture of several. The
    published sampler has a tenth of training's noise, or less, at all times but the first.
    """
    crystals = many(3000)
    process = process_of(GemsDiff, crystals_of(0))
    seen = seen_while_sampling(process, crystals)
    alpha_bar = np.cumprod(1 - np.linspace(1e-6, 6e-3, STEPS))
    lattice_bar = np.cumprod(1 - np.linspace(1e-5, 1e-1, STEPS))
    log_volume = float(torch.linalg.det(crystals.cell[0]).log()) / math.sqrt(3)
    normal = np.random.default_rng(0).normal(size=200_000)
    for t, tolerance in ((90, 0.3), (50, 0.3), (25, 0.15), (10, 0.05), (2, 0.03)):
        noisy, time = seen[STEPS - t]
        assert time is not None and (time == t).all()
        variance = float(noisy.displacement_to(crystals).square().mean())
        unwrapped = normal * math.sqrt(1 - alpha_bar[t - 1])
        assert math.isclose(variance, np.square(unwrapped - unwrapped.round()).mean(), rel_tol=tolerance), t
    for t in (25, 10, 2):
        noisy, _ = seen[STEPS - t]
        volume = torch.linalg.det(noisy.cell).log().numpy() / math.sqrt(3)
        std = math.sqrt(1 - lattice_bar[t - 1])
        assert abs(volume.mean() - math.sqrt(lattice_bar[t - 1]) * log_volume) < 5 * std / math.sqrt(3000)
        assert math.isclose(volume.std(), std, rel_tol=0.08)


def test_the_published_sampler_jumps() -> None:
    """x ← [x' + √β_{t−1} ε]: after a step with the exact prediction only that step's noise is left."""
    crystals = many(1000)
    beta = np.linspace(1e-6, 2e-3, STEPS)
    for kind in KINDS:
        process = process_of(kind, crystals_of(0), rules="paper", last_beta=2e-3, jump=True)
        seen = seen_while_sampling(process, crystals)
        for t in (99, 50, 2):  # seen at t: the noise of the step from t + 1 to t, whose β is β_t
            variance = float(seen[STEPS - t][0].displacement_to(crystals).square().mean())
            assert math.isclose(variance, beta[t - 1], rel_tol=0.06), (kind, t)


def test_as_run_samples_keep_their_centre_orientation_and_a_quarter_of_the_volumes_noise() -> None:
    crystals = many(1500)
    process = process_of(GemsDiff, crystals_of(0), rules="as-run", jump=True)
    seen = seen_while_sampling(process, crystals)
    late = seen[STEPS - 60 :]
    for noisy, _ in late:
        assert noisy.displacement_to(crystals).view(-1, 5, 3).mean(1).abs().max() < 1e-12
        torch.testing.assert_close(noisy.cell, noisy.cell.mT)
    # The variance of the volume's coordinate under the posteriors, with every step's noise at a quarter.
    bar = np.concatenate([[1.0], np.cumprod(1 - np.linspace(1e-5, 1e-1, STEPS))])
    variance = 1.0
    for t in range(STEPS, 40, -1):
        beta = 1 - bar[t] / bar[t - 1]
        of_xt = math.sqrt(1 - beta) * (1 - bar[t - 1]) / (1 - bar[t])
        variance = of_xt**2 * variance + 0.25**2 * (1 - bar[t - 1]) / (1 - bar[t]) * beta
    volume = torch.linalg.det(seen[STEPS - 40][0].cell).log().numpy() / math.sqrt(3)
    assert math.isclose(volume.var(), variance, rel_tol=0.15)


def test_hopeless_lattices_end_in_cells_all_the_same() -> None:
    crystals = crystals_of(7)
    for kind, bad in ((GemsDiff, -EYE), (GemsDiffOneShot, -EYE), (GemsDiffParameters, None)):
        process = process_of(kind, crystals)
        lattice = torch.full((3, 6), -50.0).double() if bad is None else bad.expand(3, 3, 3)
        model = lambda noisy, *time, lattice=lattice: (torch.zeros_like(noisy.scaled_positions), lattice)  # noqa: E731
        drawn = process.sample(model, crystals.numbers, crystals.n_atoms, noise_of(crystals), 5)
        assert torch.isfinite(drawn.cell).all() and (torch.linalg.det(drawn.cell) > 0).all()


def test_rules_have_names() -> None:
    defaults = {kind: process_of(kind, crystals_of(0)).rules for kind in KINDS}
    assert defaults == dict(zip(KINDS, (RULES["paper"], RULES["paper"], RULES["as-run"]), strict=True))
    with pytest.raises(InputError, match="as-run"):
        process_of(GemsDiff, crystals_of(0), rules="other")
    with pytest.raises(InputError, match="none, noise"):
        process_of(GemsDiff, crystals_of(0), weighting="other")
    with pytest.raises(InputError, match="data, posterior"):
        process_of(GemsDiff, crystals_of(0), lattice_target="other")


# -- with networks -------------------------------------------------------------------------------------------------

NETWORKS = [(GemsDiff, GemsNetEncoderDecoder), (GemsDiffParameters, GemsNetParameters), (GemsDiffOneShot, GemsNet)]


def small(kind: type) -> torch.nn.Module:
    torch.manual_seed(0)
    return kind(width=16, interactions=1, neighbors=6, gaussians=16).double()


@pytest.mark.parametrize(("kind", "network"), NETWORKS)
def test_a_sample_does_not_depend_on_its_batch_and_repeats(kind: type, network: type) -> None:
    crystals, model = crystals_of(8), small(network)
    process = process_of(kind, crystals)
    noise = noise_of(crystals)
    together = process.sample(model, crystals.numbers, crystals.n_atoms, noise, 5)
    again = process.sample(model, crystals.numbers, crystals.n_atoms, noise, 5)
    assert torch.equal(together.cell, again.cell)
    assert torch.equal(together.scaled_positions, again.scaled_positions)
    one = crystals[1]
    alone = process.sample(model, one.numbers, one.n_atoms, noise_of(one, first_seed=2), 5)
    torch.testing.assert_close(alone.displacement_to(together[1]), torch.zeros(2, 3).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(alone.cell, together[1].cell, atol=1e-7, rtol=1e-6)


class Moved(SampleNoise):
    """The noise of a crystal that was permuted and translated, or described in another cell."""

    def __init__(self, noise: SampleNoise, order: Tensor, shift: Tensor, inverse: Tensor) -> None:
        self.noise, self.order, self.shift, self.inverse, self.dtype = noise, order, shift, inverse, noise.dtype

    def atom_uniform(self, step: int, width: int = 3) -> Tensor:
        return (self.noise.atom_uniform(step, width)[self.order] @ self.inverse + self.shift) % 1

    def atom_normal(self, step: int, width: int = 3) -> Tensor:
        return self.noise.atom_normal(step, width)[self.order] @ self.inverse

    def crystal_normal(self, step: int, width: int) -> Tensor:
        return self.noise.crystal_normal(step, width)


@pytest.mark.parametrize(("kind", "network"), NETWORKS)
def test_samplers_are_equivariant_under_permutation_and_translation(kind: type, network: type) -> None:
    crystals, model = crystals_of(9, (6,)), small(network)
    process = process_of(kind, crystals_of(9))
    generator = torch.Generator().manual_seed(2)
    order, shift = torch.randperm(6, generator=generator), torch.rand(3, generator=generator).double()
    noise = noise_of(crystals)
    plain = process.sample(model, crystals.numbers, crystals.n_atoms, noise, 5)
    moved = process.sample(model, crystals.numbers[order], crystals.n_atoms, Moved(noise, order, shift, EYE), 5)
    goal = plain.replace(scaled_positions=plain.scaled_positions[order] + shift)
    torch.testing.assert_close(moved.displacement_to(goal), torch.zeros(6, 3).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(moved.cell, plain.cell, atol=1e-7, rtol=1e-6)


def test_one_shot_sampling_is_equivariant_under_rotation_and_choice_of_cell() -> None:
    crystals, model = crystals_of(10, (5,)), small(GemsNet)
    process = process_of(GemsDiffOneShot, crystals_of(10), rules="paper")
    noise, order = noise_of(crystals), torch.arange(5)
    zero = torch.zeros(3, dtype=torch.float64)
    plain = process.sample_from(model, crystals, noise, 5)
    q, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    turned = process.sample_from(model, crystals.replace(cell=crystals.cell @ q), noise, 5)
    torch.testing.assert_close(turned.displacement_to(plain), torch.zeros(5, 3).double(), atol=1e-7, rtol=0)
    torch.testing.assert_close(turned.cell, plain.cell, atol=1e-7, rtol=1e-6)  # both in their canonical orientation
    h = torch.tensor([[1, 1, 0], [0, 1, 0], [0, -1, 1]], dtype=torch.float64)  # unimodular
    inverse = torch.linalg.inv(h)
    start = crystals.replace(cell=h @ crystals.cell, scaled_positions=crystals.scaled_positions @ inverse)
    other = process.sample_from(model, start, Moved(noise, order, zero, inverse), 5)
    back = other.replace(scaled_positions=other.scaled_positions @ h)
    torch.testing.assert_close(back.displacement_to(plain), torch.zeros(5, 3).double(), atol=1e-7, rtol=0)
    metric = plain.cell @ plain.cell.mT
    torch.testing.assert_close(other.cell @ other.cell.mT, h @ metric @ h.T, atol=1e-6, rtol=1e-6)
