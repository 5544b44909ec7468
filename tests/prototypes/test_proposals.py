"""Proposals of Wyckoff assignments: analogy first, frequencies where nothing is known."""

import numpy as np
import pytest
import torch

from asegen.crystals.symmetric_batch import SymmetricBatch
from asegen.crystals.wyckoff import Numbers
from asegen.errors import InputError
from asegen.prototypes.catalogue import Catalogue
from asegen.prototypes.proposals import OccupationProposer, Proposals, numbers_of_sites
from asegen.symmetry.assignments import Occupation, canonical, fits
from asegen.symmetry.batches import make_orbits
from asegen.symmetry.groups import space_group


def knowing(*occupations: Occupation) -> OccupationProposer:
    orbits = make_orbits([(o.group, o.sites) for o in occupations])
    numbers = Numbers(torch.zeros(len(orbits.numbers), 3).double(), torch.ones(len(orbits), 6).double())
    return OccupationProposer(Catalogue.of(SymmetricBatch(orbits, numbers)))


ROCK_SALT = Occupation(225, (("a", 11), ("b", 17)))
FLUORITE = Occupation(225, (("a", 20), ("c", 9)))
PEROVSKITE = Occupation(221, (("a", 22), ("b", 38), ("d", 8)))


def test_known_crystals_lend_their_ways_to_like_elements() -> None:
    proposer = knowing(ROCK_SALT, FLUORITE, PEROVSKITE)
    assert proposer.propose({19: 1, 35: 1}, 225).occupations[0] == Occupation(225, (("a", 19), ("b", 35)))
    found = proposer.propose({56: 1, 40: 1, 16: 3}, 221)
    assert found.occupations[0] == canonical(Occupation(221, (("a", 40), ("b", 56), ("d", 16))))
    assert found.probabilities.sum() == pytest.approx(1) and (np.diff(found.probabilities) <= 0).all()
    # Barium is more like strontium than titanium: the exchange the other way round comes later.
    other = canonical(Occupation(221, (("a", 56), ("b", 40), ("d", 16))))
    assert 0 < found.occupations.index(other)


def test_some_of_the_proposals() -> None:
    proposals = Proposals([ROCK_SALT, FLUORITE, PEROVSKITE], np.array([0.5, 0.3, 0.2]))
    found = proposals.select([0, 2])
    assert found.occupations == [ROCK_SALT, PEROVSKITE]
    np.testing.assert_allclose(found.probabilities, [5 / 7, 2 / 7])


def test_all_proposals_have_the_composition_and_the_group() -> None:
    proposer = knowing(ROCK_SALT, PEROVSKITE)
    for group, counts in [(62, {8: 12, 14: 4, 12: 4}), (194, {13: 2, 22: 2}), (2, {8: 3, 6: 1}), (225, {11: 1, 17: 1})]:
        found = proposer.propose(counts, group, 20)
        assert len(found.occupations) == len(set(found.occupations)) <= 20
        assert all(way.counts == counts and way.group == group and way == canonical(way) for way in found.occupations)
    with pytest.raises(InputError, match="Na2Cl3 .* fits no Wyckoff positions of Fm-3m"):
        proposer.propose({11: 2, 17: 3}, 225)


def test_any_group_draws_from_known_ones_and_never_fails() -> None:
    proposer = knowing(ROCK_SALT, ROCK_SALT, Occupation(221, (("a", 55), ("b", 17))))
    found = proposer.propose_any({19: 1, 35: 1})
    assert {way.group for way in found.occupations} == {225, 221} and found.probabilities.sum() == pytest.approx(1)
    unheard = proposer.propose_any({19: 7, 35: 5})
    assert unheard.occupations and all(way.counts == {19: 7, 35: 5} for way in unheard.occupations)
    assert all(fits(space_group(way.group), way.counts) for way in unheard.occupations)


def test_sites_without_a_composition() -> None:
    found = knowing(ROCK_SALT, FLUORITE).propose_sites({19: 1, 35: 1}, 225, 10)
    assert found.occupations[0].sites in ((("a", 19), ("b", 35)), (("a", 19), ("c", 35)))
    assert all(numbers_of_sites(way) == {19: 1, 35: 1} for way in found.occupations)


def test_the_shipped_catalogue_knows_what_everyone_knows() -> None:
    proposer = OccupationProposer(Catalogue.shipped())
    assert proposer.propose({11: 1, 17: 1}, 225).occupations[0] == ROCK_SALT
    assert proposer.propose({38: 1, 22: 1, 8: 3}, 221).occupations[0] == canonical(PEROVSKITE)
