"""Why a sealed file of servers is not opened: five reasons, each with its way out."""

from __future__ import annotations

from typing import Literal

Code = Literal["not-ours", "newer-version", "damaged", "wrong-passphrase", "altered"]


class ExportRefused(Exception):
    """A sealed file that is not opened. `code` says which of the five reasons holds, `hint` is the way out.

    The message is a sentence for people and holds nothing of what was sealed.
    """

    def __init__(self, code: Code, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


def not_ours(why: str) -> ExportRefused:
    """A file of another kind."""
    hint = "choose a file that was exported here, or by MCP Explorer"
    return ExportRefused("not-ours", f"this is no exported file: {why}", hint)


def newer_version(found: int, known: int) -> ExportRefused:
    """A file that only a later release can read."""
    message = f"the file has version {str(found)[:20]} of its format, and this release reads version {known}"
    hint = "update mcp-reconciler here, or export it again with the release that is installed here"
    return ExportRefused("newer-version", message, hint)


def damaged(why: str) -> ExportRefused:
    """A file that is not whole, or not as its format says. No passphrase was tried."""
    hint = "copy it again from where it was exported, or export it again"
    return ExportRefused("damaged", f"the file is damaged: {why}", hint)


def wrong_passphrase() -> ExportRefused:
    """The file is whole, and another passphrase opens it."""
    hint = "type it again: case, spaces and the keyboard's language count"
    return ExportRefused("wrong-passphrase", "the passphrase is not the one of this file", hint)


def altered() -> ExportRefused:
    """The passphrase is right, and what it seals was changed by somebody who does not know it."""
    hint = "do not use it: get the file again, and ask who had it in between"
    return ExportRefused("altered", "the file was altered after it was exported; nothing of it was taken", hint)
