"""Crystals on disk as arrays, and batches of them by index."""
