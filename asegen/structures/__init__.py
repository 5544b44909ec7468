"""Structures as files, text and `ase.Atoms`: read, written, checked, matched."""
