"""VASP's outputs: what real runs showed to go wrong, in files that are as small as ASE and pymatgen let them be."""

from collections.abc import Callable
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk

from asegen.screening.stages.dft_outputs import read_run

Vasprun = Callable[..., str]
REACHED = "----------- aborting loop because EDIFF is reached -----------"
DONE = "reached required accuracy - stopping structural energy minimisation"
ENERGY = -6.8


def salt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.69)


def outcar(steps: int, settings: str = "", reached: str = REACHED, done: str = "") -> str:
    """A relaxation of rock salt, each step the same."""
    rows = "".join("".join(f"{x:13.9f}" for x in row) + "   0.0 0.0 0.0\n" for row in salt().cell.array)
    places = "".join("".join(f"{x:13.5f}" for x in row) + "     0.0  0.0  0.0\n" for row in salt().positions)
    text = " POTCAR:    PAW_PBE Na_pv 05Jan2001\n POTCAR:    PAW_PBE Cl 17Jan2003\n" * 2
    text += f"   ions per type =               1   1\n   ISPIN  =      1\n{settings}"
    for step in range(1, steps + 1):
        text += f"------- Iteration {step:6d}(   1)  -------\n------- Iteration {step:6d}(   2)  -------\n"
        text += f"{reached if step == steps else REACHED}\n"
        text += "  in kB       0.1     0.1     0.1     0.0     0.0     0.0\n"
        text += f"      direct lattice vectors                 reciprocal lattice vectors\n{rows}"
        text += f" POSITION                                       TOTAL-FORCE (eV/Angst)\n ------\n{places}"
        text += (
            f"  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n  ------\n  free  energy   TOTEN  = {ENERGY:13.6f} eV\n\n"
        )
        text += f"  energy  without entropy= {ENERGY:13.6f}  energy(sigma->0) = {ENERGY:13.6f}\n"
    return f"{text} {done}\n General timing and accounting informations for this job:\n"


SETTINGS = "   ENCUT  =  520.0 eV\n   IBRION =      2    ionic relax\n   NSW    =     {}    number of steps for IOM\n"


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        (outcar(3, SETTINGS.format(99), done=DONE), "finished", ""),
        (outcar(1, SETTINGS.format(0)), "finished", ""),
        (outcar(3, SETTINGS.format(3)), "unconverged", "all of its NSW steps"),
        (outcar(3, SETTINGS.format(99), reached="", done=DONE), "unconverged", "all of its NELM steps"),
        (outcar(1, SETTINGS.format(0) + "   NELM   =      2;   NELMIN=  2\n"), "unconverged", "all of its NELM steps"),
        (outcar(3, SETTINGS.format(99), done=DONE)[:-200], "unfinished", "ends early"),
    ],
    ids=["relaxed", "static", "out of steps", "not self-consistent", "at the last step", "cut off"],
)
def test_an_outcar_tells_whether_it_converged(tmp_path: Path, text: str, status: str, reason: str) -> None:
    (tmp_path / "OUTCAR").write_text(text)
    found = read_run(tmp_path)
    assert found.status == status and reason in found.reason
    if status == "finished":
        peer = ase.io.read(tmp_path / "OUTCAR", format="vasp-out")
        assert found.energy == pytest.approx(peer.get_potential_energy() / 2) == ENERGY / 2
        assert found.atoms is not None and found.atoms.cell.array == pytest.approx(salt().cell.array)


def test_an_outcar_does_not_overrule_the_vasprun_beside_it(tmp_path: Path, vasprun: Vasprun) -> None:
    (tmp_path / "vasprun.xml").write_text(vasprun(salt(), ENERGY, electronic_steps=60))
    (tmp_path / "OUTCAR").write_text(outcar(1, SETTINGS.format(99), reached=""))
    assert read_run(tmp_path).status == "unconverged"


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ("   GGA     =    --    GGA type\n", "VASP PBE, 400 eV"),
        ("   GGA = ps\n   GGA     =    PS    GGA type\n", "VASP PBEsol, 400 eV"),  # INCAR's line, then VASP's
        ("   GGA     =    --    GGA type\n   METAGGA= R2SCAN\n", "VASP R2SCAN, 400 eV"),
        ("   LHFCALC =     T    Hartree Fock is set to\n", "VASP hybrid, 400 eV"),
        ("   LDAUTYPE  =  2\n", "VASP PBE+U, 400 eV"),
    ],
)
def test_the_scale_names_the_functional(tmp_path: Path, settings: str, scale: str) -> None:
    (tmp_path / "OUTCAR").write_text(outcar(1, f"   ENCUT  =  400.0 eV\n{settings}"))
    assert read_run(tmp_path).energy_scale == scale


@pytest.mark.parametrize(
    ("title", "tag", "scale"),
    [
        ("PAW_PBE", "--", "VASP PBE, 400 eV"),
        ("PAW_PBE", "PE", "VASP PBE, 400 eV"),  # the same functional, said twice
        ("PAW", "--", "VASP LDA, 400 eV"),
        ("PAW_PBE", "PS", "VASP PBEsol, 400 eV"),
    ],
)
def test_energies_of_one_functional_are_on_one_scale(
    tmp_path: Path, vasprun: Vasprun, title: str, tag: str, scale: str
) -> None:
    text = vasprun(salt(), ENERGY, settings={"ENCUT": 400.0, "GGA": tag}).replace("PAW_PBE", title)
    (tmp_path / "vasprun.xml").write_text(text)
    assert read_run(tmp_path).energy_scale == scale


def test_local_potentials_are_not_on_the_scale_of_the_materials_project(tmp_path: Path, vasprun: Vasprun) -> None:
    (tmp_path / "vasprun.xml").write_text(vasprun(salt(), ENERGY).replace("PAW_PBE", "PAW"))
    assert read_run(tmp_path).energy_scale == "VASP LDA, 520 eV"


def test_settings_that_vasp_had_no_room_for(tmp_path: Path, vasprun: Vasprun) -> None:
    text = vasprun(salt(), ENERGY)
    assert "</parameters>" in text
    (tmp_path / "vasprun.xml").write_text(
        text.replace("</parameters>", '<i type="int" name="KINTER">******</i></parameters>')
    )
    assert read_run(tmp_path).status == "finished"
