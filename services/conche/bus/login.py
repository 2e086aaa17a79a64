"""From the settings to a login at the broker."""

from conche.contract import ACCOUNT_NAME
from conche.settings import Broker

from .errors import BusDenied
from .link import Login


def login_of(broker: Broker, *, account: str, client_id: str) -> Login:
    """Return how to log in with an account.

    Raises
    ------
    BusDenied
        The account's password is nowhere, or its file can't be read; says where it was looked for.
    """
    if not ACCOUNT_NAME.fullmatch(account):
        raise BusDenied(f"the account {account!r}: letters, digits, '_' and '-' only")
    return Login(
        host=broker.host,
        port=broker.port,
        account=str(account),  # the name of a service is an enum, whose repr is not for people
        password=broker.password or _from_file(broker, account),
        client_id=client_id,
        keepalive_s=broker.keepalive_s,
        ca_file=broker.ca_file,
    )


def _from_file(broker: Broker, account: str) -> str | None:
    path = broker.password_file or (broker.secrets / account if broker.secrets else None)
    if path is None:
        return None
    try:
        return path.read_text().strip()
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError:
        problem = "it is not text"
    raise BusDenied(
        f"{path}: the password of the broker account {account!r} can't be read: {problem}; "
        "CONCHE_BROKER__PASSWORD_FILE names the file that holds it"
    )
