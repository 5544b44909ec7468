"""Whole networks, and how their weights are kept."""
