"""Which network addresses may be dialled: judged on resolved addresses, never on how a host is spelt. No I/O.

A host that a person wrote may be private or loopback; link-local (where cloud machines keep their credentials) only as
a literal. A host that a server told us must be public, whatever its name says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from reconciler.sessions.session import SessionError

Address: TypeAlias = IPv4Address | IPv6Address
Choose: TypeAlias = Callable[[str, Sequence[Address]], Sequence[Address]]
"""Host as written and what it resolved to -> the addresses to dial, in order; raises Forbidden."""

_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
"""IANA IPv4 special-purpose registry, multicast, the reserved class E, and where Azure's machines find their host."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Inside 2000::/3 but not for the public: protocol assignments with Teredo, documentation, 6to4 (RFC 7526)."""

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_LINK_LOCAL = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"))


class Forbidden(SessionError):
    """An address that may not be dialled; trying again changes nothing."""

    def __init__(self, message: str) -> None:
        super().__init__(message, terminal=True, code="address")


def is_public(address: str | Address) -> bool:
    """Whether this is a globally routable unicast address (IANA special-purpose registries, RFC 6890).

    Text that is not a canonical address (a name, `0177.0.0.1`, `127.1`) is never public by itself.
    `ipaddress.is_global` is not enough: it takes NAT64, 6to4, site-local and multicast addresses for global.
    """
    literal = as_literal(address) if isinstance(address, str) else address
    if literal is None:
        return False
    if isinstance(literal, IPv4Address):
        return not any(literal in network for network in _NOT_PUBLIC_V4)
    inner = literal.ipv4_mapped or (_last_four(literal) if literal in _NAT64 else None)
    if inner is not None:
        return is_public(inner)
    return literal in _GLOBAL_UNICAST and not any(literal in network for network in _NOT_PUBLIC_V6)


def is_link_local(address: Address) -> bool:
    """Whether this is link-local, also when wrapped in an IPv6 address that is translated back to IPv4."""
    return any(one in network for one in (address, *_wrapped(address)) for network in _LINK_LOCAL)


def as_literal(host: str) -> Address | None:
    """The address that `host` (brackets allowed) spells canonically; None for names and for odd spellings."""
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        return ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by how it is spelt; where a name leads today may be another place tomorrow."""
    literal = as_literal(host)
    return host == "localhost" or (literal is not None and literal.is_loopback)


def choose_written(host: str, addresses: Sequence[Address]) -> Sequence[Address]:
    """A host from the file: everything but link-local addresses that the file does not spell out itself."""
    literal = as_literal(host)
    allowed = [one for one in addresses if one == literal or not is_link_local(one)]
    if addresses and not allowed:
        raise Forbidden(f'"{host}" resolves to the link-local address {addresses[0]}; write the address itself')
    return allowed


def choose_learnt(host: str, addresses: Sequence[Address]) -> Sequence[Address]:
    """A host that a server told us: refused as soon as one of its addresses is not public."""
    for address in addresses:
        if not is_public(address):
            raise Forbidden(f'a server named "{host}", which resolves to {address}: not a public address')
    return addresses


def choose_learnt_from_loopback(host: str, addresses: Sequence[Address]) -> Sequence[Address]:
    """A host told by a server that itself is on loopback: loopback is allowed too."""
    if addresses and all(address.is_loopback for address in addresses):
        return addresses
    return choose_learnt(host, addresses)


def _wrapped(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address stands for: mapped, compatible, NAT64, 6to4."""
    if isinstance(address, IPv4Address):
        return ()
    if address in _SIX_TO_FOUR:
        return (IPv4Address((int(address) >> 80) & 0xFFFFFFFF),)
    if address.ipv4_mapped or address in _NAT64 or address in _COMPATIBLE:
        return (_last_four(address),)
    return ()


def _last_four(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)
