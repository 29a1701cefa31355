"""Checks of what a swarm is given; nothing of it is for Python."""
