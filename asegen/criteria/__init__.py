"""Properties that crystals are asked to have: ranges, and whether a crystal lies in them."""
