"""Batches of crystals and tangent vectors at them, their graphs, and crystals in terms of Wyckoff positions."""
