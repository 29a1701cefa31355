"""What the kernel offers a broadcast, each against what the floor does: python -m bench.levers

A lever is a record (catalogue.py): two ways to send, A and B, or two ways to listen. run.py takes
them in turns on the same sockets, A B A B, with the bare C sender (floor/crowd.c) on both sides and
the fans of bench.scale, in a network of its own (networks.py). report.py is what is said of it.
"""
