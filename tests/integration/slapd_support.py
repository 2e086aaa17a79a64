"""A real slapd with a tree as FreeIPA has it, and servers before or instead of it that misbehave."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conche.contract.roles import Role
from conche.gateway.directory import Directory
from conche.gateway.directory.plan import plan_of
from conche.settings import Ldap, LdapTls

from .harness import free_port
from .test_bus_tls import make_ca, make_certificate

SLAPD = shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
BASE = "dc=auth,dc=example,dc=org"
ACCOUNT = f"uid=conche,cn=sysaccounts,cn=etc,{BASE}"
ACCOUNT_PASSWORD = "of the account"
ROLES = {
    Role.VIEWER: ["telescope-viewers", "telescope-students"],
    Role.OPERATOR: ["telescope-operators"],
    Role.ENGINEER: ["telescope-engineers"],
    Role.ADMIN: ["Telescope-Admins"],
}

_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.4203.666.11.1 NAME 'lockable' SUP top AUXILIARY MAY nsAccountLock )
pidfile {folder}/pid
referral ldap://127.0.0.1:{elsewhere}
TLSCertificateFile {folder}/server.crt
TLSCertificateKeyFile {folder}/server.key
database mdb
suffix {base}
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact={account} read by * none
"""

_TREE = f"""\
dn: {BASE}
objectClass: domain
dc: auth

dn: cn=accounts,{BASE}
objectClass: organizationalRole
cn: accounts

dn: cn=users,cn=accounts,{BASE}
objectClass: organizationalRole
cn: users

dn: cn=groups,cn=accounts,{BASE}
objectClass: organizationalRole
cn: groups

dn: cn=roles,cn=accounts,{BASE}
objectClass: organizationalRole
cn: roles

dn: cn=etc,{BASE}
objectClass: organizationalRole
cn: etc

dn: cn=sysaccounts,cn=etc,{BASE}
objectClass: organizationalRole
cn: sysaccounts

dn: {ACCOUNT}
objectClass: account
objectClass: simpleSecurityObject
uid: conche
userPassword: {ACCOUNT_PASSWORD}
"""


_ELSEWHERE = """\
dn: cn=elsewhere,cn=users,cn=accounts,{base}
objectClass: referral
objectClass: extensibleObject
cn: elsewhere
ref: ldap://127.0.0.1:{elsewhere}/cn=users,{base}
"""


def password_of(name: str) -> str:
    return f"{name}'s own"


def user_dn(name: str) -> str:
    return f"uid={name},cn=users,cn=accounts,{BASE}"


def group_dn(name: str, container: str = "groups") -> str:
    return f"cn={name},cn={container},cn=accounts,{BASE}"


def _person(name: str, *more: str, kind: str = "posixAccount", dn: str | None = None) -> str:
    posix = ("uidNumber: 1", "gidNumber: 1", "homeDirectory: /") if kind == "posixAccount" else ()
    classes = ("objectClass: inetOrgPerson", f"objectClass: {kind}", "objectClass: lockable")
    names = (f"uid: {name}", f"cn: {name}", f"sn: {name}")
    password = () if "without" in name else (f"userPassword: {password_of(name)}",)
    return "\n".join((f"dn: {dn or user_dn(name)}", *classes, *names, *posix, *password, *more, ""))


def _group(name: str, *members: str, container: str = "groups") -> str:
    lines = [f"member: {user_dn(member)}" for member in members or ("nobody",)]
    return "\n".join(
        (f"dn: {group_dn(name, container)}", "objectClass: groupOfNames", f"cn: {name}", *lines, "")
    )


def _posix_group(name: str, *members: str) -> str:
    lines = [f"memberUid: {member}" for member in members]
    head = (f"dn: {group_dn(name)}", "objectClass: posixGroup", f"cn: {name}", "gidNumber: 2")
    return "\n".join((*head, *lines, ""))


PEOPLE = (
    _person("alice"),
    _person(
        "bert", f"memberOf: {group_dn('telescope-engineers')}"
    ),  # by way of another group: no member of it
    _person("carol", f"memberOf: {group_dn('telescope-viewers')}"),
    _person("dora", "nsAccountLock: TRUE"),
    _person("emil"),
    _person("frank", f"memberOf: {group_dn('telescope-admins', 'roles')}"),
    _person("Gerd", "uid: gg"),
    _person("hans", kind="lockable"),
    _person("ida"),
    _person("jürgen"),
    _person("o'neil"),
    _person("star*(x)"),
    _person("twin"),
    _person("twin", dn=f"cn=twin,cn=users,cn=accounts,{BASE}"),
    _person("without password"),
)
GROUPS = (
    _group("telescope-operators", "alice", "dora", "Gerd", "o'neil", "star*(x)", "twin", "without password"),
    _group("telescope-viewers", "carol", "jürgen"),
    _group("telescope-admins", "carol"),
    _group("telescope-engineers", "hans"),
    _group("telescope-admins", "emil", container="roles"),
    _group("others", "emil"),
    _posix_group("telescope-students", "ida"),
)


@dataclass
class Slapd:
    """One slapd in a folder, with LDAPS and StartTLS on two ports."""

    folder: Path
    port: int = field(default_factory=free_port)
    ldaps_port: int = field(default_factory=free_port)
    elsewhere: int = field(default_factory=free_port)
    """Port to which it leads whoever asks for what it does not have."""

    @property
    def log(self) -> str:
        """What it did: each connection, search and login."""
        return (self.folder / "log").read_text()

    def settings(self, **more: Any) -> Ldap:
        given = {
            "host": "127.0.0.1",
            "port": self.port if more.get("tls") is LdapTls.STARTTLS else self.ldaps_port,
            "ca_file": self.folder / "ca.crt",
            "base_dn": BASE,
            "bind_dn": ACCOUNT,
            "bind_password": ACCOUNT_PASSWORD,
            "roles": ROLES,
        }
        return Ldap(**{**given, **more})


@contextmanager
def running_slapd(folder: Path) -> Iterator[Slapd]:
    """One with the tree. Skips the test where there is no slapd."""
    if SLAPD is None:
        pytest.skip("there is no slapd: apt-get install slapd")
    make_ca(folder, "ca")
    make_certificate(folder, "ca", "127.0.0.1")
    (folder / "data").mkdir()
    slapd = Slapd(folder)
    places = {"folder": folder, "base": BASE, "account": ACCOUNT, "elsewhere": slapd.elsewhere}
    (folder / "slapd.conf").write_text(_CONFIG.format(**places))
    (folder / "tree.ldif").write_text("\n".join((_TREE, *PEOPLE, *GROUPS, _ELSEWHERE.format(**places))))
    config_file = ("-f", folder / "slapd.conf")
    subprocess.run(
        [SLAPD, "-T", "add", *config_file, "-l", folder / "tree.ldif"], check=True, capture_output=True
    )
    urls = f"ldap://127.0.0.1:{slapd.port} ldaps://127.0.0.1:{slapd.ldaps_port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SLAPD, *config_file, "-h", urls, "-d", "stats"], stdout=log, stderr=log)
    try:
        _wait_for(slapd, process)
        yield slapd
    finally:
        process.kill()
        process.wait(20)


def _wait_for(slapd: Slapd, process: subprocess.Popen[bytes]) -> None:
    for port in (slapd.port, slapd.ldaps_port):
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, slapd.log
            time.sleep(0.02)
        else:
            raise AssertionError("slapd does not listen")


@asynccontextmanager
async def directory_of(settings: Ldap) -> AsyncIterator[Directory]:
    """The directory that settings mean; its refusals come at once."""
    async with Directory(plan_of(settings), refusal_s=0.001) as directory:
        yield directory


# --- servers that misbehave

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listening:
    """A server of a test's own."""

    port: int = 0
    accepted: int = 0
    open: int = 0


@asynccontextmanager
async def listening(
    handler: Handler, certificate: Path | None = None, *, port: int = 0
) -> AsyncIterator[Listening]:
    """A server that does something with each connection; with TLS from the start where a folder has a certificate."""
    told = Listening()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        told.accepted += 1
        told.open += 1
        try:
            with contextlib.suppress(OSError, EOFError):
                await handler(reader, writer)
        finally:
            told.open -= 1
            writer.transport.abort()

    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate / "server.crt", certificate / "server.key")
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def cut_after(port: int, count: int, *, hold: bool = False, told: list[int] | None = None) -> Handler:
    """What leads to a port, up to so many bytes of its answers: then it ends, or is silent.

    How many bytes there were in each go is told.
    """

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward, outward = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.ensure_future(_pass_on(reader, outward))
        try:
            left = count
            while left > 0 and (data := await inward.read(left)):
                left -= len(data)
                if told is not None:
                    told.append(len(data))
                writer.write(data)
                await writer.drain()
            if hold:
                await asyncio.Event().wait()
        finally:
            asking.cancel()
            outward.transport.abort()
            await asyncio.gather(asking, return_exceptions=True)

    return handler


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def answering(*parts: bytes, pause_s: float = 0.0, endless: bool = False) -> Handler:
    """What answers every question with the same bytes, in parts; for ever where it is endless."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            while True:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
                if not endless:
                    break

    return handler


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what comes, and never say a word."""
    while await reader.read(65536):
        pass
