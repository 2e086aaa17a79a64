"""The settings of the gateway: where it listens, whom it lets in, and the directory that knows people."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from conche.contract.roles import Role

from .base import Section, doc


class LdapTls(StrEnum):
    """How a connection to the directory is encrypted."""

    LDAPS = "ldaps"
    STARTTLS = "starttls"


class Ldap(Section, frozen=True, kw_only=True):
    """The LDAP directory that people log in with; the defaults are those of FreeIPA."""

    host: Annotated[
        str | None, doc("name of the server, or ldaps://name as in choco; none: there are local users only")
    ] = None
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, doc("its port; none: 636, or 389 with starttls")
    ] = None
    use_ssl: Annotated[
        bool, doc("as in choco; false is refused: a password is never sent in the open; say tls: starttls")
    ] = True
    tls: Annotated[LdapTls, doc("ldaps or starttls; the certificate is always verified")] = LdapTls.LDAPS
    ca_file: Annotated[
        Path | None, doc("certificate authority of the server; none: those that the system trusts")
    ] = None
    base_dn: Annotated[str, doc("such as dc=auth,dc=example,dc=org")] = ""
    user_dn: Annotated[str, doc("where people are, below base_dn")] = "cn=users,cn=accounts"
    user_login_attr: Annotated[str, doc("attribute that a person logs in with")] = "uid"
    user_object_filter: Annotated[str, doc("what else holds for a person, as an LDAP filter")] = (
        "(objectclass=posixaccount)"
    )
    group_dn: Annotated[str, doc("where groups are, below base_dn")] = "cn=groups,cn=accounts"
    bind_dn: Annotated[str | None, doc("account that searches; FreeIPA lets nobody search unnamed")] = None
    bind_password: Annotated[str | None, doc("its password; from the environment only")] = None
    bind_password_file: Annotated[Path | None, doc("file that holds it")] = None
    timeout_s: Annotated[float, doc("no answer by then: the directory is away", gt=0)] = 5.0
    roles: Annotated[
        dict[Role, list[str]],
        doc(
            "names of groups by role, such as operator: [telescope-operators]; a person has the highest of his"
        ),
    ] = field(default_factory=dict)
    everybody: Annotated[
        Role | None, doc("role of people who are in none of these groups; none: refused")
    ] = None


class Trust(StrEnum):
    """Who is let in without a login, beside those whom nobody should."""

    UNIX_SOCKET = "unix-socket"


class Gateway(Section, frozen=True, kw_only=True):
    """Where HTTP is spoken, and who is let in."""

    listen_host: Annotated[str, doc("address; 0.0.0.0 for all of this machine")] = "127.0.0.1"
    port: Annotated[int, doc("of HTTPS; 0: any", ge=0, le=65535)] = 5000
    http_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        doc("plain HTTP that leads to HTTPS and does nothing else; none: there is no such"),
    ] = None
    certificate: Annotated[
        Path | None, doc("PEM file, read again when it changes; none: a self-signed one is made, once")
    ] = None
    key: Annotated[Path | None, doc("PEM file of its key; none: it is in the file of the certificate")] = None
    hsts: Annotated[
        bool,
        doc(
            "with a certificate of its own, tell browsers to use HTTPS alone; that holds for all ports of the name: "
            "false where there is something without TLS beside, such as Grafana"
        ),
    ] = True
    names: Annotated[
        list[str], doc("names and addresses of this machine for the self-signed certificate")
    ] = field(default_factory=list)
    state_dir: Annotated[
        Path, doc("sessions, tokens, local users, keys; it should outlive the stack; for its owner only")
    ] = Path("gateway")
    session_idle_s: Annotated[float, doc("a session that is not used so long ends", gt=0)] = 3_600.0
    session_max_s: Annotated[float, doc("a session ends after this, used or not", gt=0)] = 43_200.0
    trust: Annotated[list[Trust], doc("unix-socket: whoever may open the socket needs no login")] = field(
        default_factory=list
    )
    socket: Annotated[Path, doc("the Unix socket; its folder's and its own permissions say who may")] = Path(
        "gateway.sock"
    )
    socket_role: Annotated[Role, doc("role of whoever comes through the socket")] = Role.OPERATOR
    trusted_hosts: Annotated[
        list[str],
        doc(
            "addresses that need no login, as in choco; DANGEROUS: in a pod, and behind a proxy, everybody has "
            "one address"
        ),
    ] = field(default_factory=list)
    trusted_role: Annotated[Role, doc("role of whoever comes from such an address")] = Role.OPERATOR
    login_attempts: Annotated[
        int,
        doc("failed logins of a name, and of an address, within login_window_s; then it has to wait", ge=1),
    ] = 10
    login_window_s: Annotated[float, doc("see login_attempts", gt=0)] = 300.0
    requests_per_s: Annotated[float, doc("of a person or an address, on average", gt=0)] = 50.0
    max_body: Annotated[int, doc("longer requests are refused [bytes]", ge=1024)] = 16_000_000
    max_streams: Annotated[int, doc("event streams at once", ge=1)] = 500
