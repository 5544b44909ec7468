"""Ways to fill a group: exact, complete, best first; bad wishes named."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asegen.errors import InputError
from asegen.symmetry.assignments import (
    Occupation,
    best_occupations,
    canonical,
    fits,
    impossible,
)
from asegen.symmetry.groups import WyckoffPosition, space_group
from asegen.symmetry.written_sites import check_letters, parse_sites


def weight(position: WyckoffPosition, number: int) -> float:
    return -0.1 * position.size - 0.01 * ord(position.letter) * (number % 7 + 1)


def all_ways(group: int, counts: dict[int, int]) -> set[tuple[tuple[str, int], ...]]:
    """By trying everything."""
    positions = space_group(group).positions

    def of_element(n: int, start: int = 0) -> list[tuple[str, ...]]:
        if n == 0:
            return [()]
        found = []
        for k in range(start, len(positions)):
            p = positions[k]
            if p.size <= n:
                found += [(p.letter, *rest) for rest in of_element(n - p.size, k + 1 if p.is_fixed else k)]
        return found

    ways = set()
    for choice in product(*[of_element(n) for n in counts.values()]):
        sites = [(letter, z) for z, letters in zip(counts, choice, strict=True) for letter in letters]
        fixed = [letter for letter, _ in sites if space_group(group).by_letter[letter].is_fixed]
        if len(fixed) == len(set(fixed)):
            ways.add(tuple(sorted(sites)))
    return ways


@given(
    st.sampled_from([1, 2, 12, 25, 38, 62, 99, 123, 148, 166, 194, 216, 221, 225, 227]),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),  # all ways of three elements would be millions
)
def test_the_ways_are_all_there_are_best_first(group: int, amounts: list[int]) -> None:
    counts = dict(zip((8, 14, 26), amounts, strict=False))
    expected = all_ways(group, counts)
    positions = space_group(group).by_letter

    def total(sites: tuple[tuple[str, int], ...]) -> float:
        return sum(weight(positions[letter], z) for letter, z in sites)

    found = best_occupations(space_group(group), counts, weight, 40)
    assert all(way.counts == counts for way in found)
    assert len({way.sites for way in found}) == len(found) == min(len(expected), 40)
    assert {way.sites for way in found} <= expected
    ranked = sorted(map(total, expected), reverse=True)[:40]
    assert [total(way.sites) for way in found] == pytest.approx(ranked)
    assert fits(space_group(group), counts) == bool(expected)


def test_large_cells_are_searched_at_once() -> None:
    found = best_occupations(space_group(47), {8: 24, 14: 12, 3: 12}, weight, 64)
    assert len(found) == 64 and all(way.counts == {8: 24, 14: 12, 3: 12} for way in found)
    with pytest.raises(InputError, match="too large"):
        best_occupations(space_group(1), dict.fromkeys(range(1, 31), 5), weight, 1)


def test_other_origins_give_the_same_canonical_way() -> None:
    rock_salt = Occupation(225, (("a", 11), ("b", 17)))
    assert canonical(rock_salt) == canonical(Occupation(225, (("a", 17), ("b", 11))))
    assert canonical(rock_salt) != canonical(Occupation(225, (("a", 11), ("c", 17))))
    assert str(rock_salt) == "Na:a Cl:b"


def test_an_impossible_composition_names_its_neighbours() -> None:
    message = str(impossible(space_group(225), {11: 2, 17: 3}))
    assert "Na2Cl3" in message and "Fm-3m (225)" in message and "multiples = 2" in message and "\n" not in message
    nearest = message.split("nearest that fit: ")[1]
    for formula in nearest.replace(" (multiples = 2)", "").split(", "):
        numbers = {"Na4Cl6": (4, 6), "NaCl3": (1, 3), "Na2Cl2": (2, 2)}[formula]
        assert fits(space_group(225), dict(zip((11, 17), numbers, strict=True)))


def test_what_users_write_of_sites() -> None:
    assert parse_sites("Na:a Cl:b") == {11: ["a"], 17: ["b"]}
    assert parse_sites("O:e,e,g Sr:a") == {8: ["e", "e", "g"], 38: ["a"]}
    assert parse_sites("Na:1,Cl:12") == {11: 1, 17: 12}
    for text in ("", "Na", "Na:", "Na:a Cl:1", "Na:1,2", "Na:ab", "Na:0", "Q:a", "Na:a Na:b", "Na:a:b", "a,b"):
        with pytest.raises(InputError, match="sites"):
            parse_sites(text)


def test_letters_have_to_exist_and_fixed_positions_take_one_site() -> None:
    group = space_group(225)
    assert check_letters(group, {11: ["a"], 17: ["b"]}).counts == {11: 1, 17: 1}
    assert check_letters(group, {8: ["e", "e"]}).counts == {8: 12}
    with pytest.raises(InputError, match="no Wyckoff position 'q': it has a to l"):
        check_letters(group, {11: ["q"]})
    with pytest.raises(InputError, match="4a .* not Na and Cl"):
        check_letters(group, {11: ["a"], 17: ["a"]})


def test_amounts_are_counted_in_what_all_positions_are_multiples_of() -> None:
    counts = {3: 40, 26: 40, 15: 40, 8: 160}
    found = best_occupations(space_group(62), counts, weight, 8)
    assert len(found) == 8 and all(way.counts == counts for way in found)
    assert not fits(space_group(62), {8: 6}) and best_occupations(space_group(62), {8: 6}, weight, 8) == []
    with pytest.raises(InputError, match="too large"):
        fits(space_group(1), dict.fromkeys(range(1, 6), 200))
