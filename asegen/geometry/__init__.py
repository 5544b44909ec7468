"""Geometry of tori and lattices: plain functions of tensors that know no crystals."""
