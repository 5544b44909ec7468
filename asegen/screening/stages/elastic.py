"""Elastic constants of the best candidates: stresses of strained cells, through matcalc and pymatgen.

Six independent strains of ±0.5 and ±1 %, positions relaxed in every strained cell, as by the Materials Project (de Jong
et al., Sci. Data 2, 150009, 2015). Its shear strains are larger, to ±6 %: that makes C44 of copper with EMT 9 % larger
than its slope at zero strain.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from typing_extensions import override

from asegen.parallel.files import write_text
from asegen.potentials.engine import Engine
from asegen.screening.columns import Column, Shown
from asegen.screening.options import Options
from asegen.screening.records import Candidate
from asegen.screening.stages.calculated import FMAX, Calculated, at_rest, check_matcalc
from asegen.screening.stages.shared import engine_of

STABLE, UNSTABLE = "stable", "unstable"
SUMMARY = "elastic.json"
"""File of a candidate's folder: `ElasticConstants`."""

_STRAINS = (-0.01, -0.005, 0.005, 0.01)
_MOST_STEPS = 300  # of the positions in one strained cell


@dataclass(frozen=True)
class ElasticConstants:
    """What was found.

    Attributes:
        stiffness: (6, 6), GPa, in Voigt's order xx, yy, zz, yz, xz, xy; in the orientation of the IEEE standard, with
            the symmetry of the crystal.
        bulk_modulus: GPa, Voigt-Reuss-Hill average.
        shear_modulus: GPa, likewise.
        lowest_eigenvalue: GPa, of the stiffness: negative for a crystal that deforms by itself.
        deformations: strained cells that were computed.
    """

    stiffness: tuple[tuple[float, ...], ...]
    bulk_modulus: float
    shear_modulus: float
    lowest_eigenvalue: float
    deformations: int

    @property
    def stability(self) -> str:
        """`STABLE` where all eigenvalues of the stiffness are positive, which is Born's criterion for any symmetry.

        Mouhat and Coudert, Phys. Rev. B 90, 224104 (2014), eq. 2.
        """
        return STABLE if self.lowest_eigenvalue > 0 else UNSTABLE


def elastic_constants(atoms: Atoms, calculator: Calculator, pressure: float = 0.0) -> ElasticConstants:
    """Strains a crystal and fits its stiffness to the stresses.

    Args:
        atoms: a crystal; left as it is. It is relaxed first.
        calculator: gives energy, forces and stress.
        pressure: eV/Å³, at which the crystal rests; the stiffness then tells how stress changes with strain there.

    Raises:
        NotMeasurableError: it doesn't come to rest.
        ModuleNotFoundError: matcalc is missing.
    """
    from matcalc import ElasticityCalc
    from pymatgen.core.elasticity import ElasticTensor
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = AseAtomsAdaptor.get_structure(at_rest(atoms, calculator, pressure))
    calculation = ElasticityCalc(
        calculator,
        norm_strains=_STRAINS,
        shear_strains=_STRAINS,
        fmax=FMAX,
        relax_structure=False,
        relax_deformed_structures=True,
        units_GPa=True,
        relax_calc_kwargs={"optimizer": "BFGS", "max_steps": _MOST_STEPS},
        r2_min=-1.0,  # components that are zero by symmetry hold noise alone, which no line fits
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = calculation.calc(structure)
        tensor = ElasticTensor(np.asarray(found["elastic_tensor"], float))
        tensor = tensor.voigt_symmetrized.convert_to_ieee(structure).voigt_symmetrized
    return ElasticConstants(
        stiffness=tuple(tuple(round(float(c), 3) for c in row) for row in tensor.voigt),
        bulk_modulus=float(tensor.k_vrh),
        shear_modulus=float(tensor.g_vrh),
        lowest_eigenvalue=float(np.linalg.eigvalsh(tensor.voigt)[0]),
        deformations=6 * len(_STRAINS),
    )


@dataclass(frozen=True)
class Elastic(Calculated):
    """Bulk and shear modulus and mechanical stability of the best candidates.

    Attributes:
        engine: the calculator.
        best: how many.
    """

    name: ClassVar[str] = "elastic"
    columns: ClassVar[tuple[Column, ...]] = (
        Column(
            "bulk_modulus",
            "Voigt-Reuss-Hill average of the elastic constants; nothing for a mechanically unstable crystal",
            "number",
            "GPa",
            "elastic",
            table=Shown(60, "bulk, GPa", digits=0),
            page=Shown(60, "Bulk modulus", digits=0),
            tile=Shown(70, "Bulk modulus", digits=1),
            optional=True,
        ),
        Column(
            "shear_modulus",
            "Voigt-Reuss-Hill average of the elastic constants; nothing for a mechanically unstable crystal",
            "number",
            "GPa",
            "elastic",
            page=Shown(61, "Shear modulus", digits=0),
            tile=Shown(71, "Shear modulus", digits=1),
            optional=True,
        ),
        Column(
            "mechanical_stability",
            "stable where all eigenvalues of the stiffness matrix are positive (Born), else unstable",
            section="elastic",
            page=Shown(62, "Mechanics"),
            style="badge",
            words=(STABLE, UNSTABLE),
            optional=True,
        ),
        Column(
            "elastic_reason", "why there are no elastic constants", section="elastic", explains="mechanical_stability"
        ),
    )
    engine: Engine
    best: int = 10

    @override
    @classmethod
    def of(cls, options: Options) -> Self:
        check_matcalc(cls.name)
        return cls(engine_of(options, options.phonons_by), options.best)  # both are curvatures of the energy

    @override
    def measure(self, candidate: Candidate, folder: Path, workdir: Path) -> Mapping[str, Any]:
        found = elastic_constants(candidate.crystal, self.engine.calculator(), self.engine.atomic_pressure)
        write_text(folder / SUMMARY, json.dumps(asdict(found)))
        stable = found.stability == STABLE
        return {
            "bulk_modulus": found.bulk_modulus if stable else None,
            "shear_modulus": found.shear_modulus if stable else None,
            "mechanical_stability": found.stability,
        }
