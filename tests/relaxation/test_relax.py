"""The batched loop with networks whose behaviour is known: every crystal stops on its own, with its own status."""

import pytest
import torch

from asegen.crystals.crystals import Crystals, Tangent
from asegen.errors import InputError
from asegen.relaxation.motion import Freedom
from asegen.relaxation.relax import Limits, relax
from asegen.relaxation.statuses import CONVERGED, FAILED, NO_CELL, NOT_FINITE, OUT_OF_STEPS, STATUSES, VOLUME

# The behaviour of a crystal follows from the element of its first atom.
HALVES, EXPLODES, SHRINKS, WANDERS, RAISES, GIVES_NAN, STAYS = range(1, 8)


def mover(crystals: Crystals) -> list[Tangent]:
    kind = crystals.numbers[crystals.first_atom]
    if (kind == RAISES).any():
        raise InputError("too many neighbours")
    eye = torch.eye(3, dtype=crystals.dtype)
    size = torch.zeros_like(crystals.volume)
    size = torch.where(kind == HALVES, 0.5 * torch.log(64 / crystals.volume) / 3, size)  # to 64 Å³, half the way
    size = torch.where(kind == EXPLODES, 0.2, torch.where(kind == SHRINKS, -0.2, size))
    size = torch.where(kind == GIVES_NAN, torch.nan, size)
    displacement = torch.zeros_like(crystals.scaled_positions)
    displacement[crystals.first_atom[kind == WANDERS]] = 0.1
    return [Tangent(displacement, size[:, None, None] * eye)]


def make(kinds: list[int], edge: float = 4.4) -> Crystals:
    n = len(kinds)
    numbers = torch.tensor([z for kind in kinds for z in (kind, 8)])
    x = torch.rand(2 * n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cell = edge * torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    return Crystals(cell, x, numbers, torch.full((n,), 2))


@pytest.mark.parametrize("atoms_at_once", [2, 5, 1000])
def test_every_crystal_stops_on_its_own(atoms_at_once: int) -> None:
    kinds = [HALVES, EXPLODES, RAISES, WANDERS, STAYS, GIVES_NAN, SHRINKS, HALVES]
    finished: list[int] = []
    crystals = make(kinds)
    found = relax(mover, crystals, Limits(0.02, 0.005, steps=12, atoms_at_once=atoms_at_once), report=finished.append)
    expected = [CONVERGED, VOLUME, FAILED, OUT_OF_STEPS, CONVERGED, NOT_FINITE, VOLUME, CONVERGED]
    assert found.status == expected
    assert sum(finished) == len(kinds) and set(found.status) <= set(STATUSES)
    assert [bool(why) for why in found.reason] == [status != CONVERGED for status in found.status]
    assert found.reason[2] == "too many neighbours"
    volume = found.crystals.volume
    assert abs(volume[0] / 64 - 1) < 0.02 and volume[0] == volume[7]
    for k in (1, 6):  # the move that went too far was undone
        assert 0.4 < volume[k] / crystals.volume[k] < 2.5
    assert found.steps[3] == 12 and found.steps[4] == 0 and found.steps[1] < 5
    torch.testing.assert_close(volume[4], crystals.volume[4])


def test_broken_crystals_are_named_and_harm_nobody() -> None:
    good = make([HALVES])
    nan_cell = good.replace(cell=good.cell * torch.nan)
    nan_atom = Crystals(good.cell, good.scaled_positions * torch.nan, good.numbers, good.n_atoms)
    flat = good.replace(cell=good.cell * torch.tensor([1.0, 1.0, 0.0]))
    none = Crystals(good.cell, good.scaled_positions[:0], good.numbers[:0], torch.tensor([0]))
    batch = Crystals.cat([nan_cell, good, nan_atom, flat, none])
    found = relax(mover, batch, Limits())
    assert found.status == [NOT_FINITE, CONVERGED, NOT_FINITE, NO_CELL, FAILED]
    alone = relax(mover, good, Limits())
    torch.testing.assert_close(found.crystals[1].cell, alone.crystals.cell)
    assert torch.isnan(found.farthest[[0, 2, 3, 4]]).all() and torch.isfinite(found.farthest[1])


def test_convergence_needs_both_tolerances_and_moves_nothing_that_has_arrived() -> None:
    crystals = make([WANDERS, HALVES])
    loose = relax(mover, crystals, Limits(position_tolerance=10.0, cell_tolerance=1.0))
    assert loose.status == [CONVERGED, CONVERGED] and loose.steps.tolist() == [0, 0]
    torch.testing.assert_close(loose.crystals.cell, crystals.cell)
    tight = relax(mover, crystals, Limits(cell_tolerance=1e-6, position_tolerance=10.0, steps=40))
    assert tight.status == [CONVERGED, CONVERGED]
    assert tight.strain[1] <= 1e-6 < loose.strain[1]


def test_no_steps_only_ask() -> None:
    crystals = make([HALVES, STAYS])
    found = relax(mover, crystals, Limits(steps=0))
    assert found.status == [OUT_OF_STEPS, CONVERGED]
    torch.testing.assert_close(found.crystals.cell, crystals.cell)


def test_a_fixed_cell_stays() -> None:
    crystals = make([EXPLODES, WANDERS])
    found = relax(mover, crystals, Limits(steps=3), Freedom(cell=False))
    assert found.status == [CONVERGED, OUT_OF_STEPS]
    torch.testing.assert_close(found.crystals.cell, crystals.cell)


@pytest.mark.parametrize(
    "bad", [{"position_tolerance": -1.0}, {"cell_tolerance": float("nan")}, {"steps": -1}, {"volume_factor": 1.0}]
)
def test_limits_without_meaning_are_refused(bad: dict) -> None:
    with pytest.raises(InputError):
        Limits(**bad)
