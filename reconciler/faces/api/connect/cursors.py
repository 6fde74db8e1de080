"""Where a page of a list ended, as a text that clients hand back unread."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from reconciler.faces.http.problems import HttpProblem

_BEGIN = b"after:"
_LONGEST = 200


def cursor_after(last: str) -> str:
    """The cursor of the page that begins behind `last`. It stays good when that one is gone."""
    return urlsafe_b64encode(_BEGIN + last.encode()).decode("ascii").rstrip("=")


def read_cursor(text: str | None) -> str | None:
    """Behind which one the page begins, None for the first. Raises HttpProblem 400 for what was never handed out."""
    if text is None:
        return None
    try:
        if len(text) > _LONGEST:
            raise ValueError
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if not data.startswith(_BEGIN) or cursor_after(data[len(_BEGIN) :].decode("utf-8")) != text:
            raise ValueError
    except (ValueError, binascii.Error):
        raise HttpProblem(400, "bad-cursor", "`cursor` is not one that a page of this list gave") from None
    return data[len(_BEGIN) :].decode("utf-8")
