"""Learned relaxation: losses and tasks to learn it from, and the batched loop that applies it."""
