"""What scripts hand over in the wrong kind is refused at the entrance, by the parameter's name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from asegen import Discoverer, Generator, Ranking, Request, evaluate, open_source
from asegen.arguments import listed, real_number, text, whole_number
from asegen.criteria.criterion import read_criteria
from asegen.errors import InputError
from asegen.generation.plan import check_settings, parse_shard
from asegen.generation.source import Source
from asegen.parallel.machine import check_jobs
from asegen.screening.options import Options
from asegen.trained.weights import find_weights


@pytest.mark.parametrize("given", [2, np.int64(2), np.uint8(2)])
def test_whole_numbers_become_pythons_own(given: Any) -> None:
    assert type(whole_number("n", given)) is int and whole_number("n", given) == 2
    assert {type(number) for number in check_settings(given, given, given, given)} == {int}


@pytest.mark.parametrize("given", [2.0, "2", None, True, [2], np.array([2])])
def test_what_is_no_whole_number_is_refused_by_name(given: Any) -> None:
    with pytest.raises(InputError, match="^n = .*: a whole number is needed") as error:
        whole_number("n", given)
    assert error.value.parameters == ("n",)


def test_numbers_and_text() -> None:
    assert type(real_number("x", np.float32(0.5))) is float and real_number("x", 1) == 1.0
    for given in ("1", None, False, [1.0]):
        with pytest.raises(InputError, match="^x = .*: a number is needed"):
            real_number("x", given)
    assert text("system", "Li-O", "Li-O") == "Li-O"
    with pytest.raises(InputError, match=r"^system = \['Li', 'O'\]: text is needed, such as 'Li-O'"):
        text("system", ["Li", "O"], "Li-O")


@pytest.mark.parametrize("one", ["band_gap", Path("a.cif"), 2, None])
def test_one_is_a_list_of_one(one: Any) -> None:
    assert listed(one) == [one] and listed([one]) == listed(iter((one,))) == [one]
    assert listed((one, one)) == [one, one]


REFUSED = [
    (lambda: open_source("template", templates=[bulk("Cu")]), "templates = .*or an open library is needed"),
    (lambda: open_source("template", templates=Path("nope.cif")), "templates = nope.cif: no such file"),
    (lambda: open_source("diffusion", model=False), "model = False"),
    (lambda: open_source("analogy", known=3), "known = 3: the path of a catalogue"),
    (lambda: open_source("score", repulsion="1"), "repulsion = '1': a number"),
    (lambda: Options(fmax="0.03"), "fmax = '0.03': a number"),
    (lambda: Options(best=2.5), "best = 2.5: a whole number"),
    (lambda: Ranking(by="typo"), "no calculator 'typo'"),
    (lambda: Ranking(by=None), "by = None"),
    (lambda: Ranking(candidates=2.5), "candidates = 2.5: a whole number"),
    (lambda: Ranking("emt", relax_steps=-1), "relax_steps = -1"),
    (lambda: Ranking("alignn", relax_steps=5), "relax_steps needs forces"),
    (lambda: Ranking("emt", pressure="5"), "pressure = '5': a number"),
    (lambda: Request(system=["Li", "O"]), "system = .*text is needed"),
    (lambda: Request(spacegroup=225, sites={"Na": "a"}), "sites = .*text is needed"),
    (lambda: Request(file=["a.cif", "b.cif"]), "file = .*one path"),
    (lambda: Request("NaCl", multiples=[]), "multiples"),
    (lambda: Request("NaCl", compositions=5), "compositions goes with what names none"),
    (lambda: Generator(5), "source = 5"),
    (lambda: Generator(Source), "source = Source: an object is needed, not its class"),
    (lambda: Generator("template", rank=EMT()), "rank = .*module:object"),
    (lambda: Generator("template", device=None), "device None"),
    (lambda: Discoverer(elements=["Li", "O"]), "elements = .*text is needed"),
    (lambda: Discoverer(exclude=["Xx"]), "'Xx' is not an element"),
    (lambda: Discoverer(max_atoms="8"), "max_atoms = '8'"),
    (lambda: Discoverer(e_hull="0.1"), "e_hull = '0.1'"),
    (lambda: Discoverer(proposal="typo"), "proposal = 'typo'"),
    (lambda: Discoverer(potential=EMT()), "no calculator"),
    (lambda: Discoverer(candidates=2.5, potential="none"), "candidates = 2.5"),
    (lambda: Discoverer(potential="none", source="host"), "needs a host"),
    (lambda: parse_shard((1, 2)), "shard = .*text is needed"),
    (lambda: check_jobs("2"), "jobs = '2'"),
    (lambda: read_criteria(5), "target = 5"),
    (lambda: evaluate(None), "None is no structure"),
    (lambda: evaluate([], metrics=[]), "metrics = "),
    (lambda: evaluate([], cov_cutoffs="0.4,10"), "cov_cutoffs = .*two positive distances"),
    (lambda: evaluate([], embedder=5), "embedder = 5"),
]


@pytest.mark.parametrize(("call", "wrong"), REFUSED, ids=[wrong for _, wrong in REFUSED])
def test_the_entrances_refuse(call: Any, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        call()


def test_a_path_is_needed_to_write_to(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="output = None"):
        Generator("template").run("NaCl", None)
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_do_for_a_discoverer() -> None:
    found = Discoverer(potential="none", candidates=np.int64(1), max_atoms=np.int64(4), most_alike=np.int32(1))
    assert found.run(None, 1, proposals=np.int64(1)).funnel


def test_weights_may_be_a_path() -> None:
    """As `asegen train` leaves them; before, text alone was one."""
    place = find_weights("cgcnn-formation-energy")
    crystals = [bulk(name, "fcc", a=a) for name, a in (("Cu", 3.6), ("Au", 4.1), ("Ag", 4.1), ("Ni", 3.5))]
    found = evaluate(crystals, crystals, metrics=["fad", "fd-cgcnn"], embedder=place, cgcnn=place).metrics
    assert found["fad"].values["distance"] == found["fd-cgcnn"].values["distance"] == pytest.approx(0, abs=1e-9)


def test_one_metric_by_its_name_and_ranges_as_lists() -> None:
    assert set(evaluate(bulk("Cu"), metrics="validity").metrics) == {"validity"}
    (criterion,) = read_criteria({"band_gap": [1, 2]})
    assert (criterion.low, criterion.high) == (1, 2)
