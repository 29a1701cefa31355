"""ngage beside other broadcast servers: python -m bench.peers

Each peer in servers/ is the smallest program that its own documentation would call well made for a
broadcast: see the top of each. peers.py finds and builds them, server.py runs one and reads what it
costs, measure.py is one measurement, run.py the comparison, results.py and chart.py what is
written of it.

The contract of a peer: COMMAND PORT (0: any free one) prints "ready port=N", listens on
127.0.0.1:N with the longest backlog it can, sends every binary message that a WebSocket at /publish
sends to every WebSocket at /ws/... as it is, answers pings, sends none, and ends at SIGTERM or with
its stdin.
"""
