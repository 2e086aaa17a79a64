"""The document of all of this, served by the gateway that it describes."""

from functools import cache
from importlib.metadata import version
from typing import Final

from aiohttp import web
from msgspec.json import encode

from conche.gateway.endpoint import Ask, Endpoint
from conche.gateway.views import Encoded, respond


async def tell(ask: Ask) -> web.StreamResponse:
    """Answer with the document."""
    return respond(ask.http, _encoded())


@cache
def _encoded() -> Encoded:
    from conche.gateway.endpoints import ENDPOINTS as ALL_ENDPOINTS  # it has this row in it
    from conche.gateway.openapi import openapi

    return Encoded(encode(openapi(ALL_ENDPOINTS, version=version("conche"))))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/openapi.json",
        least=None,
        handler=tell,
        gives={200: dict, 304: None},
        summary="This document.",
        tag="service",
    ),
)
