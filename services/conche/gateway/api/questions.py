"""Questions to renderer and journal, as what they are in HTTP: something to GET."""

from datetime import datetime
from typing import Annotated, Any, Final

from aiohttp import web
from msgspec import Meta, Struct

from conche.contract import Events, JournalEntry, Log, LoggedCommit, ReadFiles, Role, Service, Show
from conche.gateway.endpoint import Ask, Endpoint, Handler, answer

TAG: Final = "history"

Words = Annotated[str, Meta(max_length=2000)]
"""Several, with commas between them."""


class LogQuery(Struct, frozen=True, kw_only=True):
    """Which commits."""

    path: Annotated[
        str, Meta(max_length=1000, description="only those that changed it, or anything below")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


class FilesQuery(Struct, frozen=True, kw_only=True):
    """Which files."""

    names: Annotated[Words, Meta(description="with commas between them; none: every config file")] = ""


class EventsQuery(Struct, frozen=True, kw_only=True):
    """Which events."""

    targets: Annotated[
        Words, Meta(description="nodes, groups or patterns such as cx/cx1?, with commas between them")
    ] = ""
    kinds: Annotated[Words, Meta(description="with commas between them; none for all")] = ""
    since: Annotated[datetime, Meta(tz=True)] | None = None
    before: Annotated[int, Meta(ge=0, le=2**63 - 1, description="only smaller numbers")] | None = None
    after: (
        Annotated[int, Meta(ge=0, le=2**63 - 1, description="only larger numbers, the oldest first")] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class Commits(Struct, frozen=True, kw_only=True):
    """Commits of the config directory, the newest first."""

    commits: list[LoggedCommit]


class ShownCommit(Struct, frozen=True, kw_only=True):
    """One commit, and what it changed."""

    commit: LoggedCommit
    patch: Annotated[str, Meta(description="a unified diff")]


class FileTexts(Struct, frozen=True, kw_only=True):
    """Files of the config directory."""

    files: Annotated[dict[str, str | None], Meta(description="text by name; null: there is no such file")]
    commit: Annotated[str | None, Meta(description="at which they stand: what an edit gives as started_from")]


class EventList(Struct, frozen=True, kw_only=True):
    """What happened, the newest first; with after, the oldest first."""

    events: list[JournalEntry]
    warnings: list[str]


async def log(ask: Ask) -> web.StreamResponse:
    """Answer with the commits of the config directory."""
    question = Log(path=ask.query.path or None, limit=ask.query.limit)
    reply = await ask.desk.telescope.ask(Service.RENDERER, "log", question, user=ask.who.name)
    return answer(Commits(commits=reply.commits))


async def show(ask: Ask) -> web.StreamResponse:
    """Answer with what a commit changed."""
    question = Show(commit=ask.part("commit")[:200])
    reply = await ask.desk.telescope.ask(Service.RENDERER, "show", question, user=ask.who.name)
    return answer(ShownCommit(commit=reply.commits[0], patch=reply.patch or ""))


async def files(ask: Ask) -> web.StreamResponse:
    """Answer with files of the config directory."""
    names = words(ask.query.names)
    question = ReadFiles(files=names, all=not names)
    reply = await ask.desk.telescope.ask(Service.RENDERER, "read_files", question, user=ask.who.name)
    return answer(FileTexts(files=reply.files, commit=reply.commit))


async def events(ask: Ask) -> web.StreamResponse:
    """Answer with what happened."""
    query: EventsQuery = ask.query
    question = Events(
        targets=words(query.targets),
        kinds=words(query.kinds),
        since=query.since,
        before=query.before,
        after=query.after,
        limit=query.limit,
    )
    reply = await ask.desk.telescope.ask(Service.JOURNAL, "events", question, user=ask.who.name)
    return answer(EventList(events=reply.events, warnings=reply.warnings))


def words(text: str) -> list[str]:
    """Return the words between the commas; a few at most."""
    return [word.strip() for word in text.split(",") if word.strip()][:MAX_WORDS]


MAX_WORDS: Final = 100
"""As the journal and the renderer take."""


def _row(path: str, handler: Handler, query: Any, gives: Any, summary: str) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        least=Role.VIEWER,
        handler=handler,
        query=query,
        gives={200: gives, 422: None, 503: None, 504: None},
        summary=summary,
        tag=TAG,
    )


ENDPOINTS: Final = (
    _row("/api/v1/log", log, LogQuery, Commits, "The commits of the config directory."),
    _row("/api/v1/log/{commit}", show, None, ShownCommit, "One commit, and what it changed."),
    _row("/api/v1/files", files, FilesQuery, FileTexts, "Files of the config directory as they are."),
    _row("/api/v1/events", events, EventsQuery, EventList, "What happened, as the journal remembers it."),
)
