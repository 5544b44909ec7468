"""EMPNN's vector fields against autograd, the sets of Table 2, and what turns actions into strains."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from asegen.errors import InputError
from asegen.geometry.lattice import metric_tensor, symmetric_exp
from asegen.models.empnn.lattice_fields import (
    EDGE_FIELDS,
    FIELD_SETS,
    TRIPLET_FIELDS,
    area_field,
    check_rule,
    field_set,
    limit_action,
    strain_of,
)

N = 7


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parts(vector: Tensor) -> tuple[Tensor, Tensor]:
    length = torch.linalg.vector_norm(vector, dim=-1)
    return vector / length[:, None], length


def rotation(seed: int = 9) -> Tensor:
    return torch.linalg.qr(random(3, 3, seed=seed))[0]


def strain_derivative(function: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Autograd: d f(a g, b g) / d g at the identity, for every row."""
    g = torch.eye(3, dtype=torch.float64).expand(len(a), 3, 3).clone().requires_grad_()
    values = function(torch.einsum("na,nab->nb", a, g), torch.einsum("na,nab->nb", b, g))
    return torch.autograd.grad(values.sum(), g)[0]


def length(a: Tensor, b: Tensor) -> Tensor:
    return a.square().sum(-1).sqrt()


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1) / (length(a, b) * length(b, a))


def area(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(-1) * b.square().sum(-1) - (a * b).sum(-1).square()).sqrt() / 2


def test_gradients_are_those_of_autograd() -> None:
    a, b = random(N, 3), random(N, 3, seed=1)
    (u, r), (v, s) = parts(a), parts(b)
    oracles = {
        "length-u": length,
        "length-v": lambda a, b: length(b, a),
        "area": area,
        "angle": lambda a, b: torch.acos(cosine(a, b)),
        "uu": lambda a, b: length(a, b).log(),
        "vv": lambda a, b: length(b, a).log(),
    }
    for name, function in oracles.items():
        torch.testing.assert_close(TRIPLET_FIELDS[name](u, r, v, s), strain_derivative(function, a, b), msg=name)
    torch.testing.assert_close(EDGE_FIELDS["length"](u, r), strain_derivative(length, a, b))
    torch.testing.assert_close(EDGE_FIELDS["uu"](u, r), strain_derivative(lambda a, b: length(a, b).log(), a, b))


def test_mixed_ket_bras_are_derivatives_of_scalar_products() -> None:
    a, b = random(N, 3), random(N, 3, seed=1)
    (u, r), (v, s) = parts(a), parts(b)
    # d/dg of u g · v (only one side moves) is uᵀ v; d cos θ = uv + vu − cos θ (uu + vv).
    one_side = strain_derivative(lambda a, b: (a * v).sum(-1) / r, a, b)
    torch.testing.assert_close(TRIPLET_FIELDS["uv"](u, r, v, s), one_side)
    torch.testing.assert_close(TRIPLET_FIELDS["vu"](u, r, v, s), one_side.mT)
    projected = TRIPLET_FIELDS["uu"](u, r, v, s) + TRIPLET_FIELDS["vv"](u, r, v, s)
    closed = 2 * TRIPLET_FIELDS["uv-sym"](u, r, v, s) - cosine(a, b)[:, None, None] * projected
    torch.testing.assert_close(closed, strain_derivative(cosine, a, b))


def test_symmetrised_gradients_are_twice_the_gradients() -> None:
    """With respect to symmetric matrices both off-diagonal elements count: the gradient and its transpose."""
    a, b = random(N, 3), random(N, 3, seed=1)
    (u, r), (v, s) = parts(a), parts(b)
    weights = random(N, 3, seed=2)
    for row in ("area", "angle"):
        once = FIELD_SETS[f"gradient-{row}"].on_triplets(weights, u, r, v, s)
        twice = FIELD_SETS[f"gradient-sym-{row}"].on_triplets(weights, u, r, v, s)
        torch.testing.assert_close(twice, once + once.mT)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_collinear_triplets_and_their_gradients_are_finite(sign: float) -> None:
    a = random(N, 3).requires_grad_()
    b = sign * 0.7 * a
    (u, r), (v, s) = parts(a), parts(b)
    for name, field in TRIPLET_FIELDS.items():
        value = field(u, r, v, s)
        (gradient,) = torch.autograd.grad(value.square().sum() + value.sum(), a, retain_graph=True)
        assert torch.isfinite(value).all() and torch.isfinite(gradient).all(), name
    assert TRIPLET_FIELDS["angle"](u, r, v, s).abs().max() < 1e-7
    assert area_field(a, b).abs().max() < 1e-12


def test_fields_turn_with_the_crystal() -> None:
    (u, r), (v, s) = parts(random(N, 3)), parts(random(N, 3, seed=1))
    q = rotation()
    for name, field in TRIPLET_FIELDS.items():
        torch.testing.assert_close(field(u @ q, r, v @ q, s), q.T @ field(u, r, v, s) @ q, msg=name)


def test_table_2_has_fifteen_rows_and_their_sums_are_linear() -> None:
    assert len(FIELD_SETS) == 15
    (u, r), (v, s) = parts(random(N, 3)), parts(random(N, 3, seed=1))
    for fields in FIELD_SETS.values():
        for names, table, total, args in (
            (fields.edges, EDGE_FIELDS, fields.on_edges, (u, r)),
            (fields.triplets, TRIPLET_FIELDS, fields.on_triplets, (u, r, v, s)),
        ):
            weights = random(N, len(names), seed=3)
            summed = sum(
                (weights[:, k, None, None] * table[name](*args) for k, name in enumerate(names)), torch.zeros(N, 3, 3)
            )
            if names:
                torch.testing.assert_close(total(weights, *args), fields.scale * summed)
        weights = random(N, max(len(fields.triplets), 1), seed=3)
        if fields.triplets:
            action = fields.on_triplets(weights, u, r, v, s)
            assert fields.is_symmetric == torch.allclose(action, action.mT)
    with pytest.raises(InputError, match="ketbra-edges"):
        field_set("no such row")
    with pytest.raises(InputError, match="first-order"):
        check_rule("second-order")


def test_limited_actions_have_bounded_singular_values_and_keep_turning() -> None:
    action = torch.cat([random(N, 3, 3) * 5, torch.zeros(1, 3, 3), torch.eye(3)[None] * 1e-3]).double()
    limited = limit_action(action, 0.5)
    expected = torch.linalg.svdvals(action) / torch.sqrt(1 + (torch.linalg.svdvals(action) / 0.5) ** 2)
    torch.testing.assert_close(torch.linalg.svdvals(limited), expected)
    q = rotation()
    torch.testing.assert_close(limit_action(q.T @ action @ q, 0.5), q.T @ limited @ q)
    leaf = action.clone().requires_grad_()
    limit_action(leaf, 0.5).square().sum().backward()
    assert leaf.grad is not None and torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize("is_symmetric", [True, False])
@pytest.mark.parametrize("rule", ["exact", "first-order"])
def test_strain_moves_the_cell_like_the_action_up_to_a_rotation(rule: str, is_symmetric: bool) -> None:
    action = 0.2 * random(N, 3, 3)
    action = (action + action.mT) / 2 if is_symmetric else action
    cell = random(N, 3, 3, seed=4)
    factor = torch.linalg.matrix_exp(action) if rule == "exact" else torch.eye(3) + action
    strain = strain_of(action, rule, is_symmetric)
    torch.testing.assert_close(strain, strain.mT)
    torch.testing.assert_close(metric_tensor(cell @ symmetric_exp(strain)), metric_tensor(cell @ factor))
