"""The stages of a screening, one file each, and beside them what they compute with."""
