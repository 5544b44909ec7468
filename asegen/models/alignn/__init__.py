"""ALIGNN: messages along bonds and along angles between bonds."""
