"""RTMP ingest: publishers in, access units out. Adobe's RTMP 1.0 and Enhanced RTMP v2, no player.

amf0        values of commands and metadata
handshake   the first 3073 bytes
chunks      messages from the chunk stream, and back
replies     the bodies of the commands that are sent back
session     what a publisher may ask, and the answers: bytes in, bytes and units out
access      applications and stream keys
publisher   a publication as its consumer sees it, with a bounded queue
complaints  log lines that strangers cause, bounded
connection  a socket with its session: deadlines, backpressure, a farewell that arrives
server      the listener, and who has which stream

The first five know no socket, loop or clock.
"""
