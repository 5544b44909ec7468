"""Supervised tasks: numbers and classes of crystals."""
