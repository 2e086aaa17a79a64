"""What is so: the same for everybody, and mostly kept ready."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from msgspec.json import encode

from conche.contract import (
    ALL,
    DesiredConfig,
    EopStatus,
    FpgaStatus,
    Inspect,
    Registry,
    Result,
    Role,
    Service,
)
from conche.gateway import shapes, strip
from conche.gateway.endpoint import Ask, Endpoint, Handler, answer
from conche.gateway.problems import Away, NotFound
from conche.gateway.telescope import Telescope
from conche.gateway.views import Encoded, View, respond

TAG: Final = "state"


def _kept(view: Callable[[Telescope], View]) -> Handler:
    """Return a handler that answers with what is kept ready."""

    async def handle(ask: Ask) -> web.StreamResponse:
        telescope = ask.desk.telescope
        telescope.check_there()
        return respond(ask.http, view(telescope).encoded())

    return handle


def _made(make: Callable[[Telescope], Any]) -> Handler:
    """Return a handler that answers with what is made for it, because that is small."""

    async def handle(ask: Ask) -> web.StreamResponse:
        telescope = ask.desk.telescope
        telescope.check_there()
        return respond(ask.http, Encoded(encode(make(telescope))))

    return handle


def _registry(telescope: Telescope) -> Registry:
    if telescope.picture.registry is None:
        raise Away("there is no registry: the renderer has not published any")
    return telescope.picture.registry


def _fpga(telescope: Telescope) -> FpgaStatus:
    if telescope.picture.fpga is None:
        raise Away(telescope.picture.away(Service.FPGA) or "the fpga service has not said anything yet")
    return telescope.picture.fpga


def _eop(telescope: Telescope) -> EopStatus:
    if telescope.picture.eop is None:
        raise Away(telescope.picture.away(Service.EOP) or "the eop service has not said anything yet")
    return telescope.picture.eop


async def group(ask: Ask) -> web.StreamResponse:
    """Answer how a group is."""
    telescope, name = ask.desk.telescope, _one(ask, "group")
    telescope.check_target(name)
    return respond(ask.http, Encoded(encode(shapes.group_of(telescope.picture, name))))


async def node(ask: Ask) -> web.StreamResponse:
    """Answer how a node is."""
    telescope, key = ask.desk.telescope, _key(ask)
    return respond(ask.http, Encoded(encode(shapes.node_of(telescope.picture, key))))


async def desired(ask: Ask) -> web.StreamResponse:
    """Answer what a node should run."""
    key = _key(ask)
    found = ask.desk.telescope.picture.desired.get(key)
    if found is None:
        raise Away(f"{'/'.join(key)}: the renderer has not published what it should run")
    return respond(ask.http, Encoded(encode(found)))


async def live(ask: Ask) -> web.StreamResponse:
    """Answer what a node runs now, read for this."""
    return await _inspected(ask, Inspect(config=True))


async def diff(ask: Ask) -> web.StreamResponse:
    """Answer how what a node runs now differs from what it should run."""
    return await _inspected(ask, Inspect())


async def _inspected(ask: Ask, question: Inspect) -> web.StreamResponse:
    telescope, key = ask.desk.telescope, _key(ask)
    (order,), _ = telescope.orders_to_nodes("inspect", *key)
    reply = await telescope.answer("inspect", question, order, user=ask.who.name)
    result = reply.results.get("/".join(key))
    if result is None:
        raise NotFound(f"{'/'.join(key)}: its worker does not know it (any more)")
    return answer(result)


def _key(ask: Ask) -> tuple[str, str]:
    """Return the one node that the path names, which there is."""
    key = _one(ask, "group"), _one(ask, "node")
    ask.desk.telescope.check_target(*key)
    return key


def _one(ask: Ask, name: str) -> str:
    """Return a part of the path that names one thing, and not all."""
    part = ask.part(name)
    if part == ALL:
        raise NotFound(f"this is told of one {name}, not of {ALL}")
    return part


def _row(path: str, handler: Handler, gives: Any, summary: str, *others: int) -> Endpoint:
    known = {200: gives, 304: None, 503: None, **dict.fromkeys(others)}
    return Endpoint(
        method="GET", path=path, least=Role.VIEWER, handler=handler, gives=known, summary=summary, tag=TAG
    )


NODE: Final = "/api/v1/nodes/{group}/{node}"

ENDPOINTS: Final = (
    _row(
        "/api/v1/services",
        _made(lambda telescope: shapes.services_of(telescope.picture)),
        shapes.Services,
        "Which services are there.",
    ),
    _row("/api/v1/registry", _made(_registry), Registry, "Which groups and nodes there are."),
    _row(
        "/api/v1/groups",
        _made(lambda telescope: shapes.groups_of(telescope.picture)),
        shapes.GroupViews,
        "How every group is.",
    ),
    _row("/api/v1/groups/{group}", group, shapes.GroupView, "How one group is.", 404),
    _row("/api/v1/nodes", _kept(lambda telescope: telescope.nodes), shapes.NodeViews, "How every node is."),
    _row(NODE, node, shapes.NodeDetail, "Everything about one node, but for its configs.", 404),
    _row(f"{NODE}/desired", desired, DesiredConfig, "What a node should run.", 404),
    _row(f"{NODE}/live", live, Result, "What a node runs now, read for this.", 404, 422, 504),
    _row(
        f"{NODE}/diff",
        diff,
        Result,
        "How what a node runs now differs from what it should run.",
        404,
        422,
        504,
    ),
    _row("/api/v1/fpga", _made(_fpga), FpgaStatus, "The FPGA master's health and timing."),
    _row("/api/v1/eop", _made(_eop), EopStatus, "The Earth-orientation table, and who has it."),
    _row(
        "/api/v1/strip",
        _made(lambda telescope: strip.strip_of(telescope.picture, datetime.now(UTC))),
        strip.Strip,
        "FPGA, Earth orientation and services at a glance: colour, text and tooltip.",
    ),
)
