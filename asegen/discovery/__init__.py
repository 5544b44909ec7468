"""New crystals of any composition: compositions proposed, structures predicted, the stable and new ones kept."""
