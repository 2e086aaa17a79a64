"""Commands as a service takes them: checked, answered, and known by id."""

from .answers import Answers, Sender, check_same
from .reading import (
    ANSWER_WITHIN_S,
    CLOCK_TOLERANCE,
    CONTROL,
    Command,
    CommandRefused,
    Envelope,
    check_not_expired,
    envelope_of,
    read_command,
)

__all__ = [
    "ANSWER_WITHIN_S",
    "CLOCK_TOLERANCE",
    "CONTROL",
    "Answers",
    "Command",
    "CommandRefused",
    "Envelope",
    "Sender",
    "check_not_expired",
    "check_same",
    "envelope_of",
    "read_command",
]
