"""Known crystals as templates for new ones: elements are substituted, the volume follows."""
