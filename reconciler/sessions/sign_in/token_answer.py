"""Reads the answer of a token endpoint: a token, or one sentence that says why there is none. No I/O."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2

from reconciler.model.secret import HIDDEN
from reconciler.sessions.http_failures import HttpRefused, clean, seconds_to_wait
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.machine_settings import Token, token_for

UNSAID = 3600.0
"""Seconds that a token is taken to hold whose life is not told; the server's 401 says otherwise."""
_TOKEN = re.compile(r"[\x21-\x7e]+")
_REFUSALS = frozenset({400, 401, 403})
_TRACE = re.compile(r"\s*\b(?:Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)
"""What Microsoft Entra appends to every explanation."""


def token_in(response: httpx2.Response, who: str, secret: str, now: float) -> Token:
    """The token that was asked for at `now`. `who` begins the sentence of an error, in which `secret` never stands.

    Raises SessionError: terminal where asking again changes nothing.
    """
    answer = _object(response)
    if response.status_code != 200:
        raise _refused(response, answer, who, secret)
    value, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise SessionError(f"{who} answered without a token that can be sent.", code="protocol")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise SessionError(f"{who} gave a token of another kind than Bearer.", terminal=True, code="auth")
    return token_for(value, _lifetime(answer.get("expires_in")), now)


def _refused(response: httpx2.Response, answer: dict[str, Any], who: str, secret: str) -> HttpRefused:
    status = response.status_code
    code, words = answer.get("error"), answer.get("error_description")
    parts = [part for part in (code, words) if isinstance(part, str) and part]
    if isinstance(words, str) and words.startswith("AADSTS"):
        parts = [_TRACE.sub("", words)]
    said = clean(_without(secret, ": ".join(parts))).rstrip(".")
    message = f"{who} refused (HTTP {status}){f': {said}' if said else ''}."
    wait = seconds_to_wait(response.headers.get("retry-after"), datetime.now(UTC))
    return HttpRefused(message, status=status, terminal=status in _REFUSALS, retry_after=wait, code="auth")


def _without(secret: str, text: str) -> str:
    """A text without the secret, also where it is repeated as it was sent."""
    basic = base64.b64encode(secret.encode()).decode()
    for form in (secret, quote_plus(secret), quote(secret, safe=""), basic, basic.rstrip("=")):
        text = text.replace(form, HIDDEN) if form else text
    return text


def _lifetime(told: Any) -> float:
    """Seconds; some servers write them as text."""
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return UNSAID
    text = str(told)
    return min(float(text), 10 * 365 * 86400.0) if re.fullmatch(r"\d{1,15}(\.\d+)?", text) else UNSAID


def _object(response: httpx2.Response) -> dict[str, Any]:
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
