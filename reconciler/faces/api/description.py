"""What a route is for, said beside it: what it may be asked, what it answers, how it may say no. Read by `asked`, which
holds requests to it, and by `openapi`, which publishes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from reconciler.faces.http.body import MAX_BODY

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"

_MOST = 10**15 - 1
"""A number that is exact everywhere."""
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)


class Asked(BaseModel):
    """Members of a body, or of a query: of exactly these types, and no others."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True, populate_by_name=False)


class Shown(BaseModel):
    """Members of an answer. It only describes: readers must not mind members that they do not know."""

    model_config = ConfigDict(defer_build=True)


class Nothing(Asked):
    """No members."""


class Refusal(Shown):
    """Why not: a code for programs and a sentence for people."""

    code: str
    message: str


class At(Shown):
    """What of a request cannot be: `place` is a JSON pointer into the body, or `?` and a name of the query."""

    place: str
    message: str


class ProblemShown(Shown):
    """One mistake in a file of the configuration."""

    severity: str
    code: str
    summary: str
    detail: str
    file: str | None
    line: int | None
    column: int | None
    hint: str | None


class Refused(Shown):
    """Every answer other than success."""

    error: Refusal
    places: list[At] = Field(default=[], description="What cannot be, where the request is not as described.")
    problems: list[ProblemShown] = Field(default=[], description="All mistakes, where a file has some.")
    reasons: list[str] = Field(default=[], description="Why a saved plan does not fit any more.")
    patch: dict[str, Any] = Field(default={}, description="What would have been changed, where that was refused.")
    rpc: dict[str, Any] = Field(default={}, description="The error of the MCP server, where it is one.")
    hint: str | None = Field(default=None, description="The way out, where there is one.")


class Ending(Refused):
    """The last line of an answer in lines that ends badly, with the status that it would have had."""

    status: int


FAILED = "the code of what failed"
"""Stands for all codes that a session may fail with."""


@dataclass(frozen=True, slots=True)
class Lines:
    """An answer line by line: `{"progress": ...}` as it comes, at the end `{"result": ...}` or an Ending.

    `ends` are the codes of that, by the status that it would have had.
    """

    progress: type[Shown]
    result: type[Shown]
    ends: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Says:
    """One route. `refusals` are the codes that it answers beside those of every route, by status.

    `answers` is what comes as JSON, None where only `media` come: other media types, each with the model of one of its
    values, or None for text. `headers` are those that it needs: what for, and the pattern of their values; `path` the
    patterns of what stands in the path, where there is one.
    """

    summary: str
    answers: type[Shown] | Lines | None = None
    query: type[Asked] = Nothing
    body: type[Asked] | None = None
    refusals: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    status: int = 200
    media: Mapping[str, type[Shown] | None] = field(default_factory=dict)
    headers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    largest: int = MAX_BODY
    """Bytes that its body may have."""
    more: str = ""
    """More about it, for people."""


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 1.0 is whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digits(text: Any) -> Any:
    if not isinstance(text, str) or not _DIGITS.fullmatch(text):
        raise ValueError("must be a whole number")
    return int(text)


def _flag(text: Any) -> Any:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _moment(text: str) -> str:
    """The same moment in UTC with milliseconds, as the records have it."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.utcoffset() is None:
            raise ValueError
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise ValueError("must be a time such as 2026-11-21T04:00:00Z") from None


Whole: TypeAlias = Annotated[int, Field(ge=0, le=_MOST), BeforeValidator(_whole)]
"""A whole number of a body, not negative."""
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Digits: TypeAlias = Annotated[int, Field(ge=0, le=_MOST), BeforeValidator(_digits)]
"""The same in a query."""
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag)]
"""`true` or `false` in a query."""
Moment: TypeAlias = Annotated[
    str, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
