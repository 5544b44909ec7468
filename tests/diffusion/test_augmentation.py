"""Mirror images: whole crystals, about half of them."""

import torch

from asegen.crystals.crystals import Crystals
from asegen.diffusion.augmentation import mirrored
from asegen.geometry.torus import shortest


def test_mirror_images_are_inverted_whole_and_half_of_all() -> None:
    generator = torch.Generator().manual_seed(4)
    positions = torch.rand(600, 3, generator=generator)
    crystals = Crystals(torch.eye(3).repeat(200, 1, 1), positions, torch.ones(600).long(), torch.full((200,), 3))
    changed = mirrored(crystals, generator)
    off = [
        shortest(changed.scaled_positions - sign * crystals.scaled_positions).abs().view(200, -1).amax(1)
        for sign in (1, -1)
    ]
    assert ((off[0] < 1e-6) ^ (off[1] < 1e-6)).all()
    assert 70 < int((off[1] < 1e-6).sum()) < 130
