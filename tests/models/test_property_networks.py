"""The four property networks: every symmetry of a crystal, batch = single, gradients, embeddings."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from asegen.crystals.crystals import Crystals
from asegen.errors import InputError
from asegen.models.alignn.ensemble import ALIGNNEnsemble
from asegen.models.alignn.network import ALIGNN
from asegen.models.cgcnn import CGCNN
from asegen.models.ecn.ensemble import ECNEnsemble
from asegen.models.ecn.network import ECN
from asegen.models.megnet import MEGNet
from asegen.nn.element_features import ENCODINGS
from asegen.structures.atoms import crystals_from_atoms

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "alignn": lambda: ALIGNN(
        width=16, alignn_layers=2, gcn_layers=1, angle_neighbors=6, bond_basis=20, angle_basis=8, embedding=8,
        head_hidden=8, heads=3,
    ),
    "alignn-ensemble": lambda: ALIGNNEnsemble(members=2, width=8, alignn_layers=1, gcn_layers=1, heads=2),
    "ecn-ensemble": lambda: ECNEnsemble(members=2, width=12, layers=2, graph="radius", cells="free"),
    "cgcnn": lambda: CGCNN(width=16, graph="radius", heads=2),
    "cgcnn-bonds": lambda: CGCNN(width=16, encoding="hubbard"),
    "megnet": lambda: MEGNet(graph="radius", heads=2),
    "ecn": lambda: ECN(width=12, layers=2, graph="radius", cells="free"),
    "ecn-published": lambda: ECN(group="P-triclinic", width=12, layers=2, encoding="period"),
    "ecn-moving": lambda: ECN(group="F-cubic", width=12, layers=2, graph="radius", moving=True, cells="free"),
}  # fmt: skip
NOT_ECN = [name for name in NETWORKS if not name.startswith("ecn")]


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(1)
    model = NETWORKS[name]().double().eval()
    for key, p in model.named_parameters():
        if "push" in key:  # zero before training
            torch.nn.init.uniform_(p, -1e-3, 1e-3)
    return model


def crystals(seed: int, n_atoms: tuple[int, ...] = (3, 1, 5)) -> Crystals:
    """Random crystals whose atoms keep a distance: on a jittered grid."""
    g = torch.Generator().manual_seed(seed)
    total = sum(n_atoms)
    cell = torch.eye(3) * torch.tensor([2.8 * n ** (1 / 3) + 0.8 for n in n_atoms])[:, None, None]
    cell = cell + 0.5 * torch.randn(len(n_atoms), 3, 3, generator=g)
    grid = torch.cartesian_prod(*[torch.arange(2) / 2] * 3)
    positions = torch.cat([grid[torch.randperm(8, generator=g)[:n]] for n in n_atoms])
    positions = (positions + 0.06 * torch.randn(total, 3, generator=g)) % 1
    numbers = torch.tensor([3, 8, 12, 26, 38, 79])[torch.randint(6, (total,), generator=g)]
    return Crystals(cell.double(), positions.double(), numbers, torch.tensor(n_atoms))


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-8) -> None:
    scale = float(b.abs().max().detach()) + 1
    torch.testing.assert_close(a, b, atol=tolerance * scale, rtol=tolerance)


@pytest.mark.parametrize("name", NETWORKS)
@given(seed=st.integers(0, 1000))
def test_rotations_translations_and_permutations(name: str, seed: int) -> None:
    model, c = network(name), crystals(seed)
    expected = model(c)
    rng = np.random.default_rng(seed)
    rotation = torch.from_numpy(Rotation.random(rng=rng).as_matrix()) * rng.choice([-1, 1])  # improper ones too
    close(model(c.replace(cell=c.cell @ rotation)), expected)
    if name != "ecn-published":
        shift = torch.from_numpy(rng.random((3, 3)))[c.batch]
        close(model(c.replace(scaled_positions=c.scaled_positions + shift)), expected)
    order = torch.tensor([2, 0, 1, 3, 8, 6, 4, 7, 5])
    close(model(Crystals(c.cell, c.scaled_positions[order], c.numbers[order], c.n_atoms)), expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_is_its_crystals_one_by_one(name: str) -> None:
    model, c = network(name), crystals(7)
    expected = torch.cat([model(c[k]) for k in range(3)])
    close(model(c), expected)
    model, c = model.float(), c.to(dtype=torch.float32)
    alone, together = torch.cat([model(c[k]) for k in range(3)]), model(c)
    torch.testing.assert_close(together, alone, atol=1e-5 * float(alone.abs().max().detach() + 1), rtol=0)


def supercell(c: Crystals, matrix: torch.Tensor) -> Crystals:
    """Every crystal repeated by an integer matrix."""
    from ase.build import make_supercell

    from asegen.structures.atoms import atoms_from_crystals, crystals_from_atoms

    return crystals_from_atoms([make_supercell(a, matrix.numpy()) for a in atoms_from_crystals(c)])


@pytest.mark.parametrize("name", NOT_ECN)
@pytest.mark.parametrize(
    "matrix", [[[1, 1, 0], [0, 1, 0], [1, 0, 1]], [[2, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 0], [-1, 1, 1], [0, 0, 1]]]
)
def test_other_cells_and_supercells(name: str, matrix: list[list[int]]) -> None:
    model, c = network(name), crystals(3, (2, 4))
    other = supercell(c, torch.tensor(matrix))
    close(model(other), model(c), 1e-6)


def test_ecn_with_free_cells_does_not_depend_on_basis_or_images_and_the_published_one_does() -> None:
    c = crystals(3, (2, 4))
    basis = supercell(c, torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 1]]))
    moved = c.replace(scaled_positions=c.scaled_positions + 0.4)
    torch.manual_seed(1)
    free = ECN(width=12, layers=2, graph="radius", cells="free").double()
    published = ECN(width=12, layers=2, graph="radius").double()
    for other in (basis, moved):
        close(free(other), free(c), 1e-6)
        assert not torch.allclose(published(other), published(c), rtol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_used(name: str) -> None:
    model = network(name)
    model(crystals(2)).square().sum().backward()
    unused = [key for key, p in model.named_parameters() if p.grad is None or not bool((p.grad != 0).any())]
    # MEGNet's ReLUs may be closed for all of three crystals; Set2Set's first step starts from zeros.
    assert not unused if name != "megnet" else len(unused) < 6


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.endswith("-ensemble")])
def test_embedding_is_what_the_heads_read(name: str) -> None:
    model, c = network(name), crystals(5)
    embedding = model.embed(c)
    assert embedding.shape == (3, model.heads.weights[0].shape[1])
    close(model.heads(embedding), model(c))
    assert model(c).shape == (3, model.heads.weights[0].shape[0], 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    """At a structure whose graph doesn't change within the step."""
    model, c = network(name), crystals(11, (3,))

    def value(cell: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return model(c.replace(cell=cell, scaled_positions=positions)).sum()

    cell, positions = c.cell.clone().requires_grad_(), c.scaled_positions.clone().requires_grad_()
    assert torch.autograd.gradcheck(value, (cell, positions), eps=1e-6, atol=1e-4, rtol=1e-4)


def test_alignn_is_continuous_where_neighbours_come_and_go() -> None:
    """A strain that takes shells of neighbours across each other: ever smaller steps of it change ever less."""
    model, c = network("alignn"), crystals(4, (4,))

    def largest_step(n: int) -> float:
        strain = torch.linspace(0, 0.2, n, dtype=torch.float64)
        stretch = torch.diag_embed(torch.stack([1 + strain, torch.ones_like(strain), torch.ones_like(strain)], 1))
        many = Crystals(c.cell @ stretch, c.scaled_positions.repeat(n, 1), c.numbers.repeat(n), c.n_atoms.repeat(n))
        with torch.no_grad():
            return float(model(many)[:, 0, 0].diff().abs().max())

    assert largest_step(321) < 0.2 * largest_step(41)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_tell_all_elements_apart(encoding: str) -> None:
    model = CGCNN(width=8, encoding=encoding, graph="radius").double()
    numbers = torch.arange(1, 104)
    cells = (4 * torch.eye(3)).expand(103, 3, 3).double()
    values = model(Crystals(cells, torch.zeros(103, 3).double(), numbers, torch.ones(103, dtype=torch.int64)))
    assert len(values.flatten().detach().numpy().round(9).tolist()) == len(
        set(values.flatten().detach().numpy().round(9).tolist())
    )


@pytest.mark.parametrize(
    "make", [lambda: ECN(group="nothing"), lambda: CGCNN(encoding="colour"), lambda: ALIGNN(neighbors=4)]
)
def test_bad_options(make: Callable[[], object]) -> None:
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize("name", NETWORKS)
def test_mixed_precision_changes_little(name: str) -> None:
    model, c = network(name).float(), crystals(3).to(dtype=torch.float32)
    expected = model(c)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(c).float()
    torch.testing.assert_close(found, expected, atol=0.02 * float(expected.abs().max().detach() + 1), rtol=0)
    found.square().sum().backward()


@pytest.mark.parametrize("name", ["alignn", "cgcnn-bonds", "megnet", "ecn"])
def test_mixed_precision_leaves_geometry_alone(name: str) -> None:
    """Shells of equal distances, whose order bfloat16 would change."""
    model = network(name).float()
    atoms = [bulk("NaCl", "rocksalt", a=5.64, cubic=True), bulk("W", "bcc", a=3.17), bulk("Mg", "hcp", a=3.2, c=5.2)]
    c = crystals_from_atoms([a * (2, 1, 1) for a in atoms]).to(dtype=torch.float32)
    distances: list[torch.Tensor] = []
    bonds = model.gaussians if name == "ecn" else model.bonds
    bonds.register_forward_pre_hook(lambda _, given: distances.append(given[0]))
    model(c)
    with torch.autocast("cpu", torch.bfloat16):
        model(c)
    torch.testing.assert_close(distances[1], distances[0], atol=1e-6, rtol=0)
