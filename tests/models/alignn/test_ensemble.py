"""Networks side by side: the heads of each, in order."""

import pytest
import torch
from ase.build import bulk

from asegen.crystals.crystals import Crystals
from asegen.models.alignn.ensemble import ALIGNNEnsemble
from asegen.models.alignn.network import ALIGNN
from asegen.properties.regression import Regression
from asegen.structures.atoms import crystals_from_atoms

SMALL = {"width": 8, "alignn_layers": 1, "gcn_layers": 1, "angle_neighbors": 4, "heads": 3, "outputs": 1}


@pytest.fixture
def crystals() -> Crystals:
    return crystals_from_atoms([bulk("Cu"), bulk("NaCl", "rocksalt", 5.6)]).to(dtype=torch.float32)


def test_it_is_its_members(crystals: Crystals) -> None:
    torch.manual_seed(0)
    ensemble = ALIGNNEnsemble(members=2, **SMALL).eval()
    alone = [ALIGNN(**SMALL).eval() for _ in range(2)]
    for k, network in enumerate(alone):
        own = f"networks.{k}."
        network.load_state_dict({n.removeprefix(own): t for n, t in ensemble.state_dict().items() if n.startswith(own)})
    given = ensemble(crystals)
    assert given.shape == (2, 6, 1) and ensemble.embed(crystals).shape == (2, 16)
    assert torch.equal(given, torch.cat([network(crystals) for network in alone], 1))
    assert not torch.allclose(given[:, :3], given[:, 3:])


def test_predictions_are_means_over_members(crystals: Crystals) -> None:
    torch.manual_seed(0)
    ensemble = ALIGNNEnsemble(members=2, **SMALL).eval()
    task = Regression(**Regression.statistics(crystals, torch.tensor([[0.0], [-2.0]])))
    both = task.predict(ensemble, crystals)
    apart = [task.predict(network, crystals).value for network in ensemble.networks]
    torch.testing.assert_close(both.value, (apart[0] + apart[1]) / 2)
    assert bool((both.spread > 0).all())
