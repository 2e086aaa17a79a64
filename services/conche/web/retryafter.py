"""When a server wants to be asked again."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_s(header: str | None, *, now: datetime) -> float | None:
    """Return after which time somebody wants to be asked again [s]; None where he does not say, or not in HTTP's words.

    Whoever waits for it sets a bound: a date may be thousands of years away.

    Source: RFC 9110, section 10.2.3.

    Parameters
    ----------
    header
        ``Retry-After``: whole seconds, or a date.
    now
        Aware.
    """
    words = (header or "").strip()
    if words.isascii() and words.isdecimal():
        return float(words)
    try:
        at = parsedate_to_datetime(words)
    except (ValueError, OverflowError):  # the latter for a year, a day or a zone that no calendar has
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
