"""HLS and LL-HLS (RFC 8216bis) of the media messages that everybody else gets by WebSocket.

boxes     what a chunk is about
chunk     its times
schedule  where segments begin, in all renditions
cutter    chunks into parts and segments
playlist  their texts
rendition one media playlist, and what it refers to, at an edge
packager  `Hls`: messages in, all renditions and the multivariant playlist out

A part is chunks joined, a segment is its parts joined. Everything follows from the messages alone
(their pts and t_in, never a clock), so two edges that are given the same have the same bytes at the
same paths.
"""

from ngage.video.hls.packager import Hls, Host

__all__ = ["Hls", "Host"]
