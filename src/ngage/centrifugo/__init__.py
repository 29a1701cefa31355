"""Centrifugo's bidirectional client protocol v2 in JSON: what its unmodified SDKs speak.

docs/reference/centrifugo.md is what is spoken. The core takes the WebSocket, answers pings, keeps
an identity and subscriptions for each connection and writes pushes and recovered publications;
here commands are understood, and everything else is answered.
"""

from ngage.centrifugo.clients import Channel, Channels, Clients
from ngage.centrifugo.session import Centrifugo

__all__ = ["Centrifugo", "Channel", "Channels", "Clients"]
