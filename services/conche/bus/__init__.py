"""The broker: the only part of conche that knows the MQTT library."""

from .bus import Bus
from .errors import BusDenied, BusError, BusTakenOver, BusUnavailable, PayloadTooLarge
from .link import Incoming

__all__ = ["Bus", "BusDenied", "BusError", "BusTakenOver", "BusUnavailable", "Incoming", "PayloadTooLarge"]
