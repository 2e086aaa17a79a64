"""The page to log in with: no script, one style, nothing from elsewhere."""

from html import escape
from typing import Final

from .guard import CSRF_FIELD
from .sessions import Session

STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; background: #f4f5f7; color: #1c2330; margin: 0 }
main { max-width: 20rem; margin: 12vh auto; padding: 2rem; background: #fff; border: 1px solid #d9dde3;
  border-radius: 8px }
h1 { font-size: 1.25rem; margin: 0 0 1rem }
label { display: block; margin: .75rem 0 .25rem }
input { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit; border: 1px solid #9aa3af;
  border-radius: 4px }
button { margin-top: 1.25rem; width: 100%; padding: .6rem; font: inherit; color: #fff; background: #1f5fa8;
  border: 0; border-radius: 4px }
p.error { color: #a31515; margin: 0 0 .5rem }
@media (prefers-color-scheme: dark) {
  body { background: #14181f; color: #e3e7ee }
  main { background: #1d232c; border-color: #38414e }
  input { background: #14181f; color: inherit }
  p.error { color: #ff8d85 }
}
"""

HOME: Final = "/auth/login"


def login_page(*, then: str, error: str = "") -> str:
    """Return the form.

    Parameters
    ----------
    then
        Path to go to afterwards.
    error
        Why it is shown again.
    """
    told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return _page(
        f"""<h1>Log in to conche</h1>{told}
<form method="post" action="/auth/login">
<input type="hidden" name="then" value="{escape(then)}">
<label for="username">Name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button>
</form>"""
    )


def known_page(session: Session) -> str:
    """Return what somebody sees who is logged in."""
    person = session.person
    return _page(
        f"""<h1>conche</h1>
<p>You are logged in as <b>{escape(person.name)}</b>, {person.role}.</p>
<form method="post" action="/auth/logout">
<input type="hidden" name="{CSRF_FIELD}" value="{session.csrf}">
<button>Log out</button>
</form>"""
    )


def local_path(then: str) -> str:
    """Return where to go after a login: a path of this host, whatever somebody put into a link.

    Browsers take a backslash for a slash, and two of them for another host.
    """
    is_path = then.startswith("/") and not then.startswith("//")
    return then if is_path and then.isprintable() and "\\" not in then else HOME


def _page(body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>conche</title><style>{STYLE}</style></head>
<body><main>{body}</main></body></html>
"""
