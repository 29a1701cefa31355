"""The program ngage-edge."""
