"""What VASP writes into vasprun.xml, as far as pymatgen and phonopy read it, for energies that a test chooses; and what
screenings read, read once.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from ase import Atoms
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.vasp.sets import MPRelaxSet

TITLES = {
    "Na_pv": "PAW_PBE Na_pv 05Jan2001",
    "Cl": "PAW_PBE Cl 17Jan2003",
    "Fe_pv": "PAW_PBE Fe_pv 06Sep2000",
    "O": "PAW_PBE O 08Apr2002",
    "Cu_pv": "PAW_PBE Cu_pv 06Sep2000",
    "Au": "PAW_PBE Au 06Sep2000",
}
"""Of the Materials Project's potentials."""


@pytest.fixture(scope="session", autouse=True)
def references(references_read_once: None) -> None:
    """See `references_read_once`."""


@pytest.fixture(scope="session")
def vasprun() -> Callable[..., str]:
    """Text of a vasprun.xml; see `text_of_vasprun`."""
    return text_of_vasprun


def text_of_vasprun(
    atoms: Atoms,
    energy: float,
    force: float = 0.0,
    stress: float = 0.0,
    settings: Mapping[str, object] | None = None,
    electronic_steps: int = 8,
) -> str:
    """A relaxation of one step by the settings of MPRelaxSet, or others.

    Args:
        atoms: sorted by element.
        energy: eV.
        force: eV/Å, on the first atom.
        stress: GPa, hydrostatic.
        settings: of INCAR, instead of MPRelaxSet's.
        electronic_steps: of the self-consistency.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings of its own
        return _text(atoms, energy, force, stress, settings or {}, electronic_steps)


def _text(
    atoms: Atoms, energy: float, force: float, stress: float, settings: Mapping[str, object], electronic_steps: int
) -> str:
    peer = MPRelaxSet(AseAtomsAdaptor.get_structure(atoms), sort_structure=False)
    incar = {**peer.incar, "NELM": 60, **settings}
    incar.pop("MAGMOM", None)
    forces = np.zeros((len(atoms), 3))
    forces[0, 0] = force
    parts = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<generator>',
        '<i name="program" type="string">vasp </i><i name="version" type="string">6.4.2  </i></generator>',
        f"<incar>{_settings(incar)}</incar>",
        '<kpoints><generation param="Gamma"><v type="int" name="divisions"> 4 4 4 </v>'
        '<v name="usershift"> 0.0 0.0 0.0 </v></generation>'
        '<varray name="kpointlist"><v> 0.0 0.0 0.0 </v></varray><varray name="weights"><v> 1.0 </v></varray></kpoints>',
        f"<parameters>{_settings(_parameters(incar))}</parameters>",
        _atominfo(atoms, peer.potcar_symbols),
        _structure(atoms, "initialpos"),
        "<calculation>",
        *[f"<scstep>{_energy(energy)}</scstep>"] * electronic_steps,
        _structure(atoms),
        f'<varray name="forces">{_rows(forces)}</varray>',
        f'<varray name="stress">{_rows(10 * stress * np.eye(3))}</varray>',
        f"{_energy(energy)}</calculation>",
        _structure(atoms, "finalpos"),
        "</modeling>\n",
    ]
    return "\n".join(parts)


def _parameters(incar: Mapping[str, object]) -> dict[str, object]:
    plain = {"AEXX": 0.0, "HFSCREEN": 0.0, "LHFCALC": False, "LDAU": False, "GGA": "--", "IBRION": 2}
    return {**plain, **incar, "ENMAX": float(incar["ENCUT"])}


def _settings(values: Mapping[str, object]) -> str:
    lines = []
    for key, value in values.items():
        if isinstance(value, bool):
            lines.append(f'<i type="logical" name="{key}"> {"T" if value else "F"} </i>')
        elif isinstance(value, list):
            kind = ' type="int"' if isinstance(value[0], int) else ""
            lines.append(f'<v{kind} name="{key}"> {" ".join(str(v) for v in value)} </v>')
        else:
            kind = {int: ' type="int"', str: ' type="string"'}.get(type(value), "")
            lines.append(f'<i{kind} name="{key}"> {value} </i>')
    return "\n".join(lines)


def _atominfo(atoms: Atoms, potentials: list[str]) -> str:
    symbols = list(dict.fromkeys(atoms.symbols))
    rows = "".join(f"<rc><c>{s:<2}</c><c>{symbols.index(s) + 1:4d}</c></rc>" for s in atoms.symbols)
    types = "".join(
        f"<rc><c>{list(atoms.symbols).count(s):4d}</c><c>{s:<2}</c><c> 1.0</c><c> 1.0</c><c> {TITLES[name]} </c></rc>"
        for s, name in zip(symbols, potentials, strict=True)
    )
    fields = "".join(
        f"<field>{name}</field>" for name in ("atomspertype", "element", "mass", "valence", "pseudopotential")
    )
    return (
        f"<atominfo><atoms> {len(atoms)} </atoms><types> {len(symbols)} </types>"
        '<array name="atoms"><dimension dim="1">ion</dimension><field type="string">element</field>'
        f'<field type="int">atomtype</field><set>{rows}</set></array>'
        f'<array name="atomtypes"><dimension dim="1">type</dimension>{fields}<set>{types}</set></array></atominfo>'
    )


def _structure(atoms: Atoms, name: str = "") -> str:
    label = f' name="{name}"' if name else ""
    return (
        f'<structure{label}><crystal><varray name="basis">{_rows(atoms.cell.array)}</varray>'
        f'<i name="volume"> {atoms.cell.volume} </i></crystal>'
        f'<varray name="positions">{_rows(atoms.get_scaled_positions())}</varray></structure>'
    )


def _rows(values: np.ndarray) -> str:
    return "".join(f"<v> {x:.12f} {y:.12f} {z:.12f} </v>" for x, y, z in values)


def _energy(energy: float) -> str:
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    return f"<energy>{''.join(f'<i name={chr(34)}{name}{chr(34)}> {energy:.8f} </i>' for name in names)}</energy>"
