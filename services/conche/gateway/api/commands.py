"""Commands for people: a row for each action of the contract, with the role that the broker would ask for."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from conche.client.sending import TIMEOUT_S, Order
from conche.contract import (
    NO_NAME,
    NODE_ACTIONS,
    SERVICE_ACTIONS,
    Arguments,
    EditAction,
    Role,
    Service,
    UpdatableConfig,
    least_role_for,
)
from conche.contract.names import COMMAND_ID
from conche.gateway.endpoint import Ask, Endpoint, Handler, answer
from conche.gateway.errands import CommandStatus, Errand
from conche.gateway.problems import Conflict, Invalid, NotFound
from conche.gateway.telescope import check_answered

TAG: Final = "commands"
KEY_HEADER: Final = "Idempotency-Key"
LONGEST_KEY: Final = 48
"""Characters: a message to each of several groups has something behind it, and an id has 64 at most."""
PREFER: Final = "respond-async"


class Waiting(Struct, frozen=True, kw_only=True):
    """How long to wait for what has become of it."""

    wait: Annotated[
        float,
        Meta(
            ge=0, le=TIMEOUT_S, description="[s]; what is not known by then is asked for where Location says"
        ),
    ] = TIMEOUT_S


def _to_nodes(action: str) -> Handler:
    """Return what sends an action to nodes."""

    async def handle(ask: Ask) -> web.StreamResponse:
        orders, unserved = ask.desk.telescope.orders_to_nodes(action, ask.part("group"), ask.part("node"))
        return await _carried_out(ask, action, ask.body, orders, unserved=unserved)

    return handle


def _to_service(service: Service, action: str) -> Handler:
    """Return what sends an action to a service."""

    async def handle(ask: Ask) -> web.StreamResponse:
        ask.desk.telescope.check_service(service)
        return await _carried_out(ask, action, ask.body, [Order(NO_NAME, service)])

    return handle


async def set_some_values(ask: Ask) -> web.StreamResponse:
    """Set some keys of an updatable block; the others stay as they are desired now."""
    telescope, action = ask.desk.telescope, EditAction.UPDATABLE_CONFIG
    group, node = ask.part("group"), ask.part("node")
    orders, _ = telescope.orders_to_nodes(action, group, node)
    name = name_of(ask)
    if name is not None and (known := _known(ask, name)) is not None:
        check_same_values(known, ask.body, orders)
        return await _told(ask, known)  # the others may be different by now
    wish = await telescope.whole(ask.body, group, node, user=ask.who.name)
    return await _carried_out(ask, action, wish, orders)


def _known(ask: Ask, name: str) -> Errand | None:
    """Return the command of this person that bears a name and was carried out, or is being."""
    errand = ask.desk.telescope.commander.errands.find(name, now=datetime.now(UTC))
    if errand is None or errand.user != ask.who.name or errand.is_over:
        return None
    return errand


def check_same_values(known: Errand, wish: UpdatableConfig, orders: Sequence[Order]) -> None:
    """Refuse some values under the id of another command.

    Raises
    ------
    Conflict
        It was not these values for these nodes.
    """
    given = known.arguments
    is_same = (
        isinstance(given, UpdatableConfig)
        and given.endpoint == wish.endpoint
        and [parcel.order for parcel in known.parcels] == list(orders)
        and all(key in given.values and given.values[key] == value for key, value in wish.values.items())
    )
    if not is_same:
        raise Conflict(f"id {known.id!r} was used for another command: take a new one")


async def _carried_out(
    ask: Ask,
    action: str,
    arguments: Arguments,
    orders: Sequence[Order],
    *,
    unserved: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    _check_user(ask, arguments)
    errand = ask.desk.telescope.commander.submit(
        action, arguments, orders, user=ask.who.name, name=name_of(ask), unserved=unserved
    )
    return await _told(ask, errand)


async def _told(ask: Ask, errand: Errand) -> web.StreamResponse:
    """Wait for what becomes of a command, as long as is wished, and tell it."""
    headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/commands/{errand.id}"}
    wait_s = 0 if PREFER in ask.http.headers.get("Prefer", "") else ask.query.wait
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s if wait_s < TIMEOUT_S else None):  # by then it was given up
            await errand.done.wait()
    if not errand.done.is_set():
        return answer(errand.status(), status=202, headers=headers)
    check_answered(errand, headers=headers)
    return answer(errand.status(), headers=headers)


async def tell_command(ask: Ask) -> web.StreamResponse:
    """Tell what has become of a command; only to who sent it, and to admins."""
    name = ask.part("id")
    errand = ask.desk.telescope.commander.errands.find(name, now=datetime.now(UTC))
    if errand is None or not (errand.user == ask.who.name or ask.who.may(Role.ADMIN)):
        raise NotFound(f"no command {name!r} of yours is known: it is forgotten an hour after it was sent")
    return answer(errand.status())


def name_of(ask: Ask) -> str | None:
    """Return the id that a command is to bear, or None.

    Raises
    ------
    Invalid
        It can't be one, or body and header differ in it.
    """
    header = ask.http.headers.get(KEY_HEADER)
    given = ask.body.id if isinstance(ask.body, Arguments) else None
    if header is not None and given is not None and header != given:
        raise Invalid(f"id: the header {KEY_HEADER} says another one")
    name = header if header is not None else given
    if name is not None and not (len(name) <= LONGEST_KEY and COMMAND_ID.fullmatch(name)):
        raise Invalid(
            f"{KEY_HEADER}: letters, digits and _.:- only, and at most {LONGEST_KEY} of them: {name[:80]!r}"
        )
    return name


def _check_user(ask: Ask, arguments: Arguments) -> None:
    if arguments.user not in (None, ask.who.name):
        raise Invalid(f"user: you are {ask.who.name}: leave it out")


_GIVES: Final[dict[int, Any]] = {
    200: CommandStatus,
    202: CommandStatus,
    409: None,
    413: None,
    422: None,
    503: None,
    504: None,
}


def _row(
    path: str, action: str, model: type[Arguments], handler: Handler, *, method: str = "POST"
) -> Endpoint:
    partial = " Keys that are not given stay as they are desired now." if method == "PATCH" else ""
    return Endpoint(
        method=method,
        path=path,
        least=least_role_for(action),
        handler=handler,
        takes=model,
        query=Waiting,
        gives=_GIVES if NO_NAME in path else {**_GIVES, 404: None},
        summary=f"{(model.__doc__ or '').partition(chr(10))[0]}{partial}",
        tag=TAG,
    )


_NODE: Final = "/api/v1/nodes/{group}/{node}"

ENDPOINTS: Final = (
    *(_row(f"{_NODE}/{action}", action, model, _to_nodes(action)) for action, model in NODE_ACTIONS.items()),
    _row(
        f"{_NODE}/{EditAction.UPDATABLE_CONFIG}",
        EditAction.UPDATABLE_CONFIG,
        UpdatableConfig,
        set_some_values,
        method="PATCH",
    ),
    *(
        _row(f"/api/v1/services/{service}/{action}", action, model, _to_service(service, action))
        for service, actions in SERVICE_ACTIONS.items()
        for action, model in actions.items()
    ),
    Endpoint(
        method="GET",
        path="/api/v1/commands/{id}",
        least=Role.VIEWER,
        handler=tell_command,
        gives={200: CommandStatus, 404: None},
        summary="What has become of a command so far.",
        tag=TAG,
    ),
)
