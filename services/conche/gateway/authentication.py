"""Logging in and out, and who one is; the Node-RED panel and any proxy ask the same."""

from datetime import datetime
from typing import Annotated, Final

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from conche.contract.roles import Role

from .bodies import FORM
from .connections import address_of
from .endpoint import Ask, Endpoint, answer
from .headers import csp_with_style
from .page import HOME, STYLE, known_page, local_path, login_page
from .problems import Invalid, Problem
from .sessions import COOKIE, Session

HTML: Final = "text/html"
VIA: Final = "session"
_CSP: Final = csp_with_style(STYLE)


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name and its password.

    Parameters
    ----------
    username, password
        As the directory knows them.
    then
        Path to go to, for the form of the page.
    """

    username: Annotated[str, Meta(max_length=256)]
    password: Annotated[str, Meta(max_length=1024)]
    then: Annotated[str, Meta(max_length=1024)] = HOME


class Logout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a session.

    Parameters
    ----------
    everywhere
        Whether all sessions of this person end.
    csrf_token
        Where it can't be in the header, as in a form.
    """

    everywhere: bool = False
    csrf_token: Annotated[str, Meta(max_length=256)] | None = None


class Me(Struct, frozen=True, kw_only=True):
    """Who one is.

    Parameters
    ----------
    name, role, via
        As commands and logs have it.
    csrf_token
        What each change in this session has in the header X-CSRF-Token; null without a session.
    ends_at
        When the session ends at the latest.
    """

    name: str
    role: Role
    via: str
    csrf_token: str | None = None
    ends_at: datetime | None = None


class Ended(Struct, frozen=True):
    """How many sessions have ended."""

    ended: int


class Shown(Struct, frozen=True, kw_only=True):
    """What the page is asked with.

    Parameters
    ----------
    then
        Path to go to after the login.
    """

    then: Annotated[str, Meta(max_length=1024)] = HOME


async def show_login(ask: Ask) -> web.Response:
    """Show the form, or who is logged in."""
    if ask.session is not None:
        return _page(known_page(ask.session))
    return _page(login_page(then=local_path(ask.query.then)))


async def log_in(ask: Ask) -> web.StreamResponse:
    """Look at a password, and begin a session."""
    login: Login = ask.body
    is_form = ask.http.content_type == FORM
    try:
        person = await ask.desk.logins.check(login.username, login.password, address=address_of(ask.http))
    except Problem as problem:
        if not is_form:
            raise
        page = _page(login_page(then=local_path(login.then), error=problem.detail), status=problem.status)
        page.headers.update(problem.headers)
        return page
    if ask.session is not None:
        ask.desk.sessions.end(ask.session.id)
    session = ask.desk.sessions.begin(person)
    done = _lead_to(local_path(login.then)) if is_form else answer(_me(session))
    done.set_cookie(
        COOKIE,
        ask.desk.sessions.cookie(session),
        max_age=int(ask.desk.sessions.max_s),
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",  # a link in a mail leads to the page and not to the login; changes take the token too
    )
    return done


async def log_out(ask: Ask) -> web.StreamResponse:
    """End a session."""
    if ask.session is None:
        raise Invalid(f"{ask.who.via}: there is no session to end")
    if ask.body.everywhere:
        ask.desk.sessions.end_all(ask.who.name)
    else:
        ask.desk.sessions.end(ask.session.id)
    done = _lead_to(HOME) if ask.http.content_type == FORM else web.Response(status=204)
    done.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
    done.headers["Clear-Site-Data"] = '"cache", "storage"'
    return done


async def verify(ask: Ask) -> web.Response:
    """Tell a proxy who it is that asks, in the head of an empty answer."""
    return web.Response(headers={"X-Conche-User": ask.who.name, "X-Conche-Role": ask.who.role})


async def tell_me(ask: Ask) -> web.Response:
    """Tell who it is that asks."""
    if ask.session is not None:
        return answer(_me(ask.session))
    return answer(Me(name=ask.who.name, role=ask.who.role, via=ask.who.via))


async def end_sessions(ask: Ask) -> web.Response:
    """End all sessions of somebody, who may have left or lost his telephone."""
    return answer(Ended(ask.desk.sessions.end_all(ask.part("name"))))


def _me(session: Session) -> Me:
    person = session.person
    return Me(
        name=person.name,
        role=person.role,
        via=person.via,
        csrf_token=session.csrf,
        ends_at=session.ends_at,
    )


def _page(text: str, *, status: int = 200) -> web.Response:
    headers = {"Content-Security-Policy": _CSP}
    return web.Response(status=status, text=text, content_type=HTML, charset="utf-8", headers=headers)


def _lead_to(path: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: path})


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/auth/login",
        least=None,
        handler=show_login,
        summary="The page to log in with.",
        query=Shown,
        gives={200: str},
        media=HTML,
        tag="login",
    ),
    Endpoint(
        method="POST",
        path="/auth/login",
        least=None,
        handler=log_in,
        summary="Begin a session: its cookie, and the token for its changes. A form is led to its page.",
        takes=Login,
        gives={200: Me, 303: None, 401: None, 503: None},
        form=True,
        tag="login",
    ),
    Endpoint(
        method="POST",
        path="/auth/logout",
        least=Role.VIEWER,
        handler=log_out,
        summary="End this session, or all of one's own.",
        takes=Logout,
        gives={204: None, 303: None},
        form=True,
        tag="login",
    ),
    Endpoint(
        method="GET",
        path="/auth/verify",
        least=Role.VIEWER,
        handler=verify,
        summary="Who asks, in the headers X-Conche-User and X-Conche-Role: for a proxy.",
        gives={200: None},
        tag="login",
    ),
    Endpoint(
        method="GET",
        path="/auth/me",
        least=Role.VIEWER,
        handler=tell_me,
        summary="Who one is, and the token for changes in this session.",
        gives={200: Me},
        tag="login",
    ),
    Endpoint(
        method="DELETE",
        path="/auth/sessions/{name}",
        least=Role.ADMIN,
        handler=end_sessions,
        summary="End all sessions of somebody.",
        gives={200: Ended},
        tag="login",
    ),
)
