"""What every answer has in its head, so that browsers do nothing with it that was not meant."""

import base64
import hashlib
from typing import Final

from aiohttp import hdrs, web

from .connections import is_secure

HSTS_S: Final = 365 * 24 * 3600
"""How long a browser asks this host by HTTPS alone [s]."""

CSP: Final = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

_ALWAYS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def dress(request: web.BaseRequest, answer: web.StreamResponse, *, hsts: bool) -> None:
    """Put what is missing into the head of an answer; what its handler said stays.

    Parameters
    ----------
    request
        What it answers.
    answer
        It, before it is sent.
    hsts
        Whether browsers may ask by HTTPS alone from now on.
    """
    for name, value in _ALWAYS.items():
        answer.headers.setdefault(name, value)
    answer.headers[hdrs.SERVER] = "conche"  # the library has told its version there
    answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if hsts and is_secure(request):
        answer.headers.setdefault("Strict-Transport-Security", f"max-age={HSTS_S}")


def csp_with_style(style: str) -> str:
    """Return the policy for a page with one style of its own."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"{CSP}; style-src 'sha256-{digest}'"
