"""What says who we are with every request to a remote server, and how it is told that it was not enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.sessions.session import SessionError


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a server refused a request: 401 or 403, and its WWW-Authenticate header as received."""

    status: int
    header: str | None = None


class Credential(Protocol):
    """One server's. Shared by all its sessions, so that whatever must be fetched is fetched once."""

    def header(self) -> str | None:
        """The value of `Authorization` if it can be sent as it is; None where `prepare` has to be asked."""
        ...

    async def prepare(self) -> str | None:
        """The same, fetched or renewed first; None for a request without. Raises SessionError."""
        ...

    async def refused(self, sent: str | None, challenge: Challenge, tries: int) -> str | None:
        """A request with `sent` was refused for the `tries`-th time (from 1): the value to try once more with.

        None where the refusal stands as it is. Raises SessionError that says what is to be done.
        """
        ...


class NotSignedIn(SessionError):
    """A session cannot go on; where only one request needed more than was allowed, it can: `ends` is False."""

    ends = True


class SignInNeeded(NotSignedIn):
    """A person has to sign in first, or to allow more."""

    def __init__(self, message: str) -> None:
        super().__init__(message, terminal=True, code="sign-in")


class SignInFailed(NotSignedIn):
    """A sign-in cannot come about, or came to nothing, as things are."""

    def __init__(self, message: str) -> None:
        super().__init__(message, terminal=True, code="sign-in-failed")


class SignInRefused(Exception):
    """A sign-in came to nothing; the message is a sentence for the person who tried."""
