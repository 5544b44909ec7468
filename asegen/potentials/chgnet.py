"""CHGNet (Deng et al., Nature Machine Intelligence 5, 1031 (2023)): forces, many energies at once, features.

The one place where its network is loaded. Its energies are on the Materials Project's scale (MP2020).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from asegen.errors import AsegenError, InputError, Reason
from asegen.parallel.files import sha256
from asegen.potentials.engine import MP2020, MP_ELEMENTS, Engine

MODEL = "0.3.0"
"""The weights, which come with the package."""
ELEMENTS = MP_ELEMENTS
"""The 89 elements of the training data; the network's table has entries for Po to Ra too, which were never trained."""
N_FEATURES = 64
"""Width of the features."""

_AT_ONCE = 32
"""Crystals of a batch. On a processor batches gain nothing over single crystals; on a GPU they do."""
_ISOLATED = Reason("isolated atom", "CHGNet needs a neighbour within 6 Å of every atom")


def find(name: str = "chgnet") -> Engine:
    """CHGNet, with the hash of its weights.

    Raises:
        AsegenError: it isn't installed.
    """
    digest = weights_hash()[:12]
    identity = f"chgnet {metadata.version('chgnet')}, model {MODEL}, sha256 {digest}"
    return Engine(name, identity, MP2020, ELEMENTS)


def calculator(name: str = "chgnet", directory: Path | None = None) -> Calculator:
    """A fresh calculator on this process's processor, with one thread; it works with no files."""
    import torch

    torch.set_num_threads(1)
    return GuardedChgnet()


def weights_hash() -> str:
    """SHA-256 of the weights' file, 64 hexadecimal digits.

    Raises:
        AsegenError: CHGNet isn't installed, or without its weights.
    """
    package = util.find_spec("chgnet")
    if package is None or package.origin is None:
        raise AsegenError("chgnet is not installed: pip install asegen[screen]")
    for file in (Path(package.origin).parent / "pretrained" / MODEL).glob("*.tar"):
        return sha256(file)
    raise AsegenError(f"chgnet is installed without its weights {MODEL}: install it anew")


class GuardedChgnet(Calculator):
    """CHGNet on a CPU as the other calculators are: float64 numbers, a free energy, and errors rather than nonsense.

    Energy and free energy in eV, forces (n_atoms, 3) in eV/Å, stress (6,) in eV/Å³ with ASE's sign.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012 (ASE's own type)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fills `results`; see ASE.

        Raises:
            InputError: an element that CHGNet wasn't trained on, or an atom without a neighbour within its cut-off.
        """
        super().calculate(atoms, properties, system_changes)
        structure: Any = self.atoms  # a copy that ASE has just made
        foreign = sorted(set(structure.symbols) - ELEMENTS)
        if foreign:
            raise InputError(f"unknown element: chgnet does not know {', '.join(foreign)}")
        self.results = _results(structure, with_derivatives=not {*properties} <= {"energy", "free_energy"})


def _results(atoms: Atoms, with_derivatives: bool) -> dict[str, Any]:
    """ASE's results: energy and free energy; forces and stress, which take four fifths of the time, where asked for.

    CHGNet's own tasks for them differentiate once for each, and keep what training needs for second derivatives. Here
    the energy, as a function of fractional coordinates and lattice, is differentiated once: the same numbers in half
    the time.
    """
    import torch

    from asegen.nn.denormals import flushed_denormals

    graph = _connected_graph(atoms, "cpu")
    with flushed_denormals():  # else gradients at the ends of its cut-offs take a quarter of the time
        with torch.set_grad_enabled(with_derivatives), _no_warnings_of_tensors():
            per_atom = _network("cpu").forward([graph], task="e")["e"]
        if with_derivatives:
            total = per_atom.sum() * len(atoms)
            by_position, by_lattice = torch.autograd.grad(total, [graph.atom_frac_coord, graph.lattice])
    energy = float(per_atom.detach()) * len(atoms)
    results: dict[str, Any] = {"energy": energy, "free_energy": energy}
    if with_derivatives:
        lattice = graph.lattice.detach()
        forces = -by_position @ torch.linalg.inv(lattice).T
        stress = (lattice.T @ by_lattice).numpy().astype(float) / atoms.get_volume()
        results |= {"forces": forces.numpy().astype(float), "stress": stress.ravel()[[0, 4, 8, 5, 2, 1]]}
    return results


def energies(structures: Sequence[Atoms], device: str = "cpu") -> list[float | Reason]:
    """Energies of many crystals at once.

    Args:
        structures: crystals of `ELEMENTS` that pass `asegen.potentials.gate.gate`.
        device: where the network computes, in torch's words.

    Returns:
        eV per atom each, in order; a Reason where CHGNet has no answer.
    """
    graphs = [_graph(atoms, device) for atoms in structures]
    known = [k for k, graph in enumerate(graphs) if graph is not None]
    known.sort(key=lambda k: len(structures[k]))  # batches of like sizes
    results: list[float | Reason] = [_ISOLATED] * len(structures)
    for k, found in zip(known, _predictions([graphs[k] for k in known], device), strict=True):
        results[k] = float(found["e"])
    return results


def features(atoms: Atoms) -> NDArray[np.float32]:
    """(1 + 64,): the total energy, eV/atom, and the mean of the last atom features.

    What CHGNet returns as `crystal_fea` is a sum over atoms, which a supercell would change.

    Args:
        atoms: a crystal.

    Raises:
        InputError: an atom without a neighbour within the cut-off.
        ValueError: the network's numbers are not finite.
    """
    (found,) = _predictions([_connected_graph(atoms, "cpu")], "cpu", with_features=True)
    row = np.concatenate([[float(found["e"])], found["crystal_fea"] / len(atoms)]).astype(np.float32)
    if not np.isfinite(row).all():
        raise ValueError("CHGNet's features are not finite")
    return row


def _connected_graph(atoms: Atoms, device: str) -> Any:
    graph = _graph(atoms, device)
    if graph is None:
        raise InputError(str(_ISOLATED))
    return graph


def _graph(atoms: Atoms, device: str) -> Any:
    """CHGNet's graph of a crystal; None where an atom has no neighbours."""
    from pymatgen.io.ase import AseAtomsAdaptor

    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _network(device).graph_converter(AseAtomsAdaptor.get_structure(plain))
    except ValueError as error:
        if "isolated" not in str(error):
            raise
        return None


def _predictions(
    graphs: Sequence[Any], device: str, with_features: bool = False
) -> list[dict[str, NDArray[np.float32]]]:
    """What the network says of each graph: `e` in eV/atom, `crystal_fea`."""
    import torch

    if not graphs:
        return []
    with torch.no_grad(), _no_warnings_of_tensors():
        found: Any = _network(device).predict_graph(
            list(graphs), task="e", return_crystal_feas=with_features, batch_size=_AT_ONCE
        )
    return [found] if isinstance(found, dict) else found


@contextlib.contextmanager
def _no_warnings_of_tensors() -> Iterator[None]:
    """CHGNet's way to build its tensors makes torch warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@cache
def _network(device: str) -> Any:
    from chgnet.model import CHGNet

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():  # it announces itself, silenced or not
        warnings.simplefilter("ignore")
        network = CHGNet.load(model_name=MODEL, use_device=device, verbose=False)
    network.graph_converter.set_isolated_atom_response("error")
    network.eval()
    return network


ELEMENT_ENERGIES = {
    "H": -3.387, "Li": -1.897, "Be": -3.747, "B": -6.684, "C": -9.214, "N": -8.310, "O": -4.932, "F": -1.904,
    "Na": -1.327, "Mg": -1.581, "Al": -3.737, "Si": -5.417, "P": -5.411, "S": -4.116, "Cl": -1.839, "Ar": -0.069,
    "K": -1.119, "Ca": -2.000, "Sc": -6.326, "Ti": -7.885, "V": -9.055, "Cr": -9.610, "Mn": -9.131, "Fe": -8.437,
    "Co": -7.100, "Ni": -5.775, "Cu": -4.099, "Zn": -1.248, "Ga": -3.022, "Ge": -4.607, "As": -4.647, "Se": -3.477,
    "Br": -1.624, "Kr": -0.047, "Rb": -0.987, "Sr": -1.678, "Y": -6.464, "Zr": -8.534, "Nb": -10.075, "Mo": -10.839,
    "Tc": -10.331, "Ru": -9.265, "Rh": -7.356, "Pd": -5.177, "Ag": -2.827, "Cd": -0.917, "In": -2.744, "Sn": -3.992,
    "Sb": -4.106, "Te": -3.122, "I": -1.519, "Xe": -0.046, "Cs": -0.924, "Ba": -1.930, "La": -4.938, "Ce": -5.915,
    "Pr": -4.780, "Nd": -4.773, "Pm": -4.767, "Sm": -4.722, "Eu": -10.294, "Gd": -14.093, "Tb": -4.636, "Dy": -4.612,
    "Ho": -4.586, "Er": -4.576, "Tm": -4.479, "Yb": -1.533, "Lu": -4.517, "Hf": -9.959, "Ta": -11.837, "W": -12.946,
    "Re": -12.407, "Os": -11.221, "Ir": -8.830, "Pt": -6.055, "Au": -3.274, "Hg": -0.288, "Tl": -2.369, "Pb": -3.701,
    "Bi": -3.866, "Ac": -4.147, "Th": -7.400, "Pa": -9.484, "U": -11.262, "Np": -12.869, "Pu": -14.062,
}  # fmt: skip
"""Symbol -> eV/atom, for CHGNet 0.3.0.

Fitted, since CHGNet's energies of the elements themselves would need the ground state of each, oxygen and nitrogen
molecules included: the table minimises the sum of |E(CHGNet)/n − Σ x_i μ_i − formation energy| over the 17,629 crystals
of `mp/train` with the Materials Project's formation energies (least absolute deviations, by reweighted least squares;
mean 0.020 eV/atom). On the 1,000 crystals of `mp/val` formation energies come out with a mean error of 0.021 eV/atom, a
median of 0.013 and a 99th percentile of 0.11; crystals with plutonium may be off by 0.7. CHGNet was trained on the
Materials Project, these crystals perhaps among them. Since energies and references have the same corrections (MP2020),
none is applied on top.
"""
FORMATION_ENERGY_ERROR = 0.021
"""eV/atom: mean error of formation energies by `ELEMENT_ENERGIES` on `mp/val`."""
