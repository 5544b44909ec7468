"""How good generated crystals are."""
