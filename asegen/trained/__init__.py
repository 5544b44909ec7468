"""Trained weights by name, ready to be used: samplers, the relaxer, predictors."""
