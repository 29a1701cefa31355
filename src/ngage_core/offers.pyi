"""Checks of the engine's answers; nothing of it is for Python."""
