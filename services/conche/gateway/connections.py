"""Where a request comes from: an address, or somebody on this machine who may open the Unix socket."""

import pwd
import socket
import struct
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from .people import may_be_called

_UCRED: Final = struct.Struct("=iII")
"""``struct ucred`` of unix(7): process, user, group."""

NOWHERE: Final = "-"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the Unix socket, as the kernel says."""

    pid: int
    uid: int
    gid: int

    @property
    def name(self) -> str:
        """Name of the account, or its number where it has none that can stand in a log."""
        try:
            name = pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid-{self.uid}"
        return name if may_be_called(name) else f"uid-{self.uid}"

    def __str__(self) -> str:
        return f"socket uid {self.uid} gid {self.gid} pid {self.pid}"


def peer_of(request: web.BaseRequest) -> Peer | None:
    """Return who is at the other end of the Unix socket; None where the request came another way."""
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    return Peer(*_UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))


def address_of(request: web.BaseRequest) -> str:
    """Return the address of the other end, whatever headers say; ``-`` for the Unix socket."""
    return request.remote or NOWHERE


def is_secure(request: web.BaseRequest) -> bool:
    """Tell whether the request came over TLS."""
    return request.transport is not None and request.transport.get_extra_info("ssl_object") is not None
