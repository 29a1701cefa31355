"""The admin listener: health, metrics and the server API."""
