"""A million subscribers of one channel on one host, beside the floor: python -m bench.scale

keeper.py asks estimate.py what fits and lets host.py set what the kernel must allow, and put it
back. Within that, run.py takes the stages in a network of its own: the floor (floor/crowd.c),
ngage-edge, the floor again, each before the same native fans (crowd.py). report.py is what is
written of it.
"""
