"""choco's own paths: its bodies, codes and answers, for the scripts that were written for it."""

from typing import Annotated, Any, Final

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta, Struct
from msgspec.structs import replace

from conche.client.sending import TIMEOUT_S
from conche.contract import (
    ALL,
    Arguments,
    BaseConfig,
    Edit,
    EditAction,
    Role,
    SetMaintenance,
    SetStarted,
    UpdatableConfig,
    least_role_for,
)
from conche.gateway.choco import ChocoRegistry, ChocoStatus
from conche.gateway.endpoint import JSON, Ask, Endpoint, answer
from conche.gateway.guard import Found, check_role
from conche.gateway.problems import BadRequest, ChocoError, Invalid, NotFound
from conche.gateway.telescope import Telescope, check_answered
from conche.gateway.views import respond

TAG: Final = "choco"


class ChocoUpdate(Struct, frozen=True, kw_only=True):
    """What choco's clients send."""

    action: Annotated[str, Meta(description="base_config, updatable_config, set_started or set_maintenance")]
    config_content: Annotated[str, Meta(description="of base_config")] = ""
    endpoint: Annotated[str, Meta(description="of updatable_config")] = ""
    values: Annotated[dict[str, Any] | None, Meta(description="of updatable_config")] = None
    started: Annotated[bool | None, Meta(description="of set_started")] = None
    maintenance: Annotated[bool | None, Meta(description="of set_maintenance")] = None


class ChocoDone(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What choco says of what it has begun."""

    status: Annotated[str, Meta(description="queued for configs, ok for switches")]
    group: str | None = None
    node: Annotated[str | None, Meta(description="group/node")] = None
    action: str | None = None
    started: bool | None = None
    maintenance: bool | None = None


async def status(ask: Ask) -> web.StreamResponse:
    """Answer how every node is."""
    ask.desk.telescope.check_there()
    return respond(ask.http, ask.desk.telescope.choco_status.encoded())


async def nodes(ask: Ask) -> web.StreamResponse:
    """Answer which nodes there are."""
    ask.desk.telescope.check_there()
    return respond(ask.http, ask.desk.telescope.choco_nodes.encoded())


async def update_group(ask: Ask) -> web.StreamResponse:
    """Have the nodes of a group changed."""
    group = ask.part("group")
    _check_there(ask.desk.telescope, group, None)
    return await _update(ask, group, ALL)


async def update_node(ask: Ask) -> web.StreamResponse:
    """Have a node changed."""
    group, node = ask.part("group"), ask.part("node")
    _check_there(ask.desk.telescope, group, node)
    return await _update(ask, group, node)


def _check_there(telescope: Telescope, group: str, node: str | None) -> None:
    telescope.check_there()
    members = telescope.picture.groups.get(group)
    if node is None and not members:
        raise NotFound(f"Group '{group}' not found")
    if node is not None and node not in (members or ()):
        raise NotFound(f"Node '{group}/{node}' not found")


async def _update(ask: Ask, group: str, node: str) -> web.StreamResponse:
    """Have it done, and answer once it was begun: from then on it needs nobody who waits."""
    telescope = ask.desk.telescope
    action, arguments = wish_of(ask.body, content_type=ask.http.content_type)
    check_role(Found(ask.person), least_role_for(action) or Role.ADMIN)
    orders, unserved = telescope.orders_to_nodes(action, group, node)
    if isinstance(arguments, UpdatableConfig):
        arguments = await _whole(telescope, arguments, group, node, user=ask.who.name)
    errand = telescope.commander.submit(
        action, arguments, orders, user=ask.who.name, unserved=unserved, timeout=TIMEOUT_S
    )
    await errand.accepted.wait()  # set when it is given up, too
    try:
        check_answered(errand)
    except Invalid as refused:
        begin = "Invalid config: " if isinstance(arguments, BaseConfig) else ""
        raise BadRequest(f"{begin}{refused.detail}") from None
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/commands/{errand.id}"}
    return answer(done_of(action, arguments, group=group, node=node), headers=headers)


async def _whole(
    telescope: Telescope, wish: UpdatableConfig, group: str, node: str, *, user: str
) -> UpdatableConfig:
    """Return the values of the whole block: choco takes some of them, too."""
    try:
        found = await telescope.whole(wish, group, node, user=user)
    except Invalid as error:
        raise BadRequest(error.detail) from None
    return replace(found, started_from=None)  # choco's last writer wins


def wish_of(body: bytes, *, content_type: str) -> tuple[str, Arguments]:
    """Return the command that a request to choco stands for.

    Raises
    ------
    BadRequest
        In choco's words.
    """
    data = _object(body) if content_type == JSON else {}
    action = data.get("action", "")
    match action:
        case EditAction.BASE_CONFIG:
            content = data.get("config_content", "")
            if not isinstance(content, str):
                raise BadRequest("Invalid config: config_content must be a string")
            return action, BaseConfig(config_content=content)
        case EditAction.UPDATABLE_CONFIG:
            return action, _values(data)
        case "set_started":
            return action, SetStarted(started=_flag(data, "started"))
        case "set_maintenance":
            return action, SetMaintenance(maintenance=_flag(data, "maintenance"))
        case other:
            raise BadRequest(f"Unknown action '{str(other)[:100]}'")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _values(data: dict[str, Any]) -> UpdatableConfig:
    endpoint, values = data.get("endpoint", ""), data.get("values")
    if not endpoint or values is None:
        raise BadRequest("endpoint and values are required")
    if not isinstance(endpoint, str) or not isinstance(values, dict):
        raise BadRequest("endpoint must be a string, and values an object")
    return UpdatableConfig(endpoint=endpoint, values=values)


def _flag(data: dict[str, Any], name: str) -> bool:
    flag = data.get(name)
    if not isinstance(flag, bool):
        raise BadRequest(f"{name} must be a boolean")
    return flag


def done_of(action: str, arguments: Arguments, *, group: str, node: str) -> ChocoDone:
    """Return what choco says of what was begun."""
    begun = ChocoDone(
        status="queued" if isinstance(arguments, Edit) else "ok",
        group=group if node == ALL else None,
        node=None if node == ALL else f"{group}/{node}",
    )
    match arguments:
        case SetStarted(started=started):
            return replace(begun, started=started)
        case SetMaintenance(maintenance=maintenance):
            return replace(begun, maintenance=maintenance)
        case _:
            return replace(begun, action=action)


_GIVES: Final[dict[int, Any]] = {
    200: ChocoDone,
    **dict.fromkeys((400, 401, 403, 404, 413, 503, 504), ChocoError),
}


def _update_row(path: str, handler: Any, summary: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=path,
        least=Role.OPERATOR,
        handler=handler,
        takes=ChocoUpdate,
        gives=_GIVES,
        raw=True,
        summary=summary,
        tag=TAG,
    )


def _row(path: str, handler: Any, gives: Any, summary: str) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        least=Role.VIEWER,
        handler=handler,
        gives={200: gives, 304: None, 503: ChocoError},
        summary=summary,
        tag=TAG,
    )


ENDPOINTS: Final = (
    _row("/api/status", status, ChocoStatus, "How every node is, in choco's words."),
    _row("/api/nodes", nodes, ChocoRegistry, "Which nodes there are, as choco tells it."),
    _update_row(
        "/update/{group}",
        update_group,
        "Have the nodes of a group changed; answered once it was begun. base_config takes the role engineer.",
    ),
    _update_row(
        "/update/{group}/{node}",
        update_node,
        "Have a node changed; answered once it was begun. base_config takes the role engineer.",
    ),
)
