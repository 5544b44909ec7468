"""Layers that know no task: bases, dense layers, message passing, vector fields."""
