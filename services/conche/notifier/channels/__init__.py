"""The ways to people."""

from .base import Channel, ChannelRefused, ChannelTrouble, ChannelUnavailable
from .opening import open_channels

__all__ = ["Channel", "ChannelRefused", "ChannelTrouble", "ChannelUnavailable", "open_channels"]
