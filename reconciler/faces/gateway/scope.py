"""What one endpoint is about: a project, or one group or one server of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.engine.offers import Offer
from reconciler.engine.project import Project


class NotHere(Exception):
    """No group or server of that name is offered; the message says so."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything of a project, or one group of it, or one server. With `server` names and URIs stay untouched."""

    project: Project
    group: str | None = None
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Whose it is, and its name or URI as that server knows it."""

    server: str
    name: str


def offers_in(scope: Scope) -> tuple[Offer, ...]:
    """The offers that the scope shows, by server id. Raises NotHere for an unknown or disabled group or server.

    A server with `connection: direct` is reached by clients themselves and shown nowhere.
    """
    if scope.server is not None:
        offer = scope.project.offers.of(scope.server)
        if offer is None or offer.server.connection == "direct":
            raise NotHere(f'no server "{scope.server}" is offered here')
        return (offer,)
    offers = tuple(_proxied(scope.project))
    if scope.group is None:
        return offers
    members = tuple(offer for offer in offers if offer.server.group == scope.group)
    if not members and not _is_open(scope.project, scope.group):
        raise NotHere(f'no group "{scope.group}" is offered here')
    return members


def _proxied(project: Project) -> Iterator[Offer]:
    return (offer for offer in project.offers.all() if offer.server.connection == "proxy")


def _is_open(project: Project, group: str) -> bool:
    """Whether a group without servers is there all the same: declared, and not switched off."""
    declared = project.ledger.document.groups.get(group)
    return declared is not None and bool(declared.get("enabled", True))
