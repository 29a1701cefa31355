"""ngage: one process that broadcasts a live event to everybody who watches it."""

from importlib.metadata import version

from ngage.api import Edge
from ngage.channel import Channel
from ngage.errors import (
    CapacityError,
    ChannelError,
    ChannelLimitError,
    ClientError,
    CloseCode,
    NgageError,
    PositionError,
    PublicationError,
    SettingsError,
    StartError,
)
from ngage.events import Message, Position, Publication
from ngage.settings import ChannelOptions, Settings

__all__ = [
    "CapacityError",
    "Channel",
    "ChannelError",
    "ChannelLimitError",
    "ChannelOptions",
    "ClientError",
    "CloseCode",
    "Edge",
    "Message",
    "NgageError",
    "Position",
    "PositionError",
    "Publication",
    "PublicationError",
    "Settings",
    "SettingsError",
    "StartError",
    "__version__",
]

__version__ = version("ngage")
