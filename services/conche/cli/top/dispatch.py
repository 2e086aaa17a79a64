"""Commands from the key to the outcome: what is asked before, and what is heard of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from textual.app import App

from conche.cli.watch.live import Live
from conche.cli.watch.table import Entry

from .dialogs import Confirm, MaintenanceForm
from .sent import History, Sent
from .telescope import Telescope, WishFailed
from .wishes import Kind, Wish, question, whom, wish_for


class Dispatch:
    """Sends commands.

    Parameters
    ----------
    app
        Shows the questions, and keeps the work going.
    live
        The picture.
    telescope
        Carries them out.
    began
        Told when one is sent.
    heard
        Told when something is heard of one.
    """

    def __init__(
        self,
        app: App[Any],
        live: Live,
        *,
        telescope: Telescope,
        began: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        self.history = History()
        self._app = app
        self._live = live
        self._telescope = telescope
        self._began = began
        self._heard = heard

    def ask(self, kind: Kind, entries: Sequence[Entry]) -> None:
        """Ask what is to be asked, and send the command."""
        wish = wish_for(self._live, kind, entries)
        if kind is Kind.MAINTENANCE_ON:
            self._app.push_screen(MaintenanceForm(whom(entries)), partial(self._on_form, wish))
        elif (asked := question(kind, entries)) is not None:
            self._app.push_screen(Confirm(asked), partial(self._on_answer, wish))
        else:
            self.send(wish)

    def _on_form(self, wish: Wish, answers: tuple[str | None, datetime | None] | None) -> None:
        if answers is not None:
            reason, until = answers
            self.send(replace(wish, reason=reason, until=until))

    def _on_answer(self, wish: Wish, yes: bool | None) -> None:
        if yes:
            self.send(wish)

    def send(self, wish: Wish) -> None:
        """Send a command; what is heard of it comes into the history."""
        sent = Sent(wish, at=datetime.now(UTC))
        self.history.add(sent)
        self._app.run_worker(self._carry_out(sent), name=wish.title, group="commands")
        self._began()

    async def _carry_out(self, sent: Sent) -> None:
        def progress(awaited: list[str]) -> None:
            sent.awaited = awaited
            self._heard()

        try:
            sent.report = await self._telescope.carry_out(sent.wish, progress)
        except WishFailed as error:
            sent.trouble = str(error)
        sent.over_at = datetime.now(UTC)
        self._heard()
