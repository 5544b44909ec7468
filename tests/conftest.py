"""What all tests share."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("asegen", deadline=None, max_examples=30)
settings.load_profile("asegen")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real training and test data, where there is one beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data is not on this machine")
    return folder
