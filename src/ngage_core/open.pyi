"""Checks of the engine's options; nothing of it is for Python."""
