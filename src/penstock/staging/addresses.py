"""Which addresses a task's URL may lead to: what is public, not what only this machine or its network can reach."""

from __future__ import annotations

import ipaddress
import socket

from penstock.errors import InvalidInput, Unreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # NAT64 (RFC 6052): the last 32 bits are an IPv4 address


def is_public(address: Address) -> bool:
    """Whether an address is one of the Internet's; an IPv4 address inside of an IPv6 one counts as itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of ``host``. InvalidInput if one of them is private, Unreachable if there is none.

    The caller connects to one of these, not to the name: a second look-up could answer differently (DNS rebinding).
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unreachable(f"The host {host!r} has no address: {error}.") from error
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if not allow_private:
        for address in found:
            if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise InvalidInput(
                    f"The host {host!r} has the address {address}, which is not public.",
                    hint="Set PENSTOCK_ALLOW_PRIVATE_URLS to allow it.",
                )
    return found
