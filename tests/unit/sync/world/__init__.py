"""A telescope in memory, for the real worker: broker, renderer, poller, operator, kotekans, disk and clocks.

Nothing of the worker is replaced but what lies outside its process. Time is virtual: minutes take milliseconds.
"""

from .world import World

__all__ = ["World"]
