"""What a user did wrong, as a value: where it stands, what it is, the way out. Read by every face, raised by none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a source file. Lines and columns count characters and start at 1; `end_column` is exclusive."""

    file: str
    line: int
    column: int
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `summary` is fixed text for its `code`; `detail` names the thing; `hint` is the way out.

    `path` leads to the value it is about, from the top of the document; None where there is no such value.
    """

    severity: Severity
    code: str
    summary: str
    detail: str
    place: Place | None = None
    hint: str | None = None
    path: tuple[str | int, ...] | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, str | int | None]:
        """The shape of `validate -o json`: severity, code, summary, detail, file, line, column, hint."""
        place = self.place
        return {
            "severity": self.severity,
            "code": self.code,
            "summary": self.summary,
            "detail": self.detail,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "hint": self.hint,
        }


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems sorted by place; those without a place come first."""
    return sorted(problems, key=lambda p: (p.place or Place("", 0, 0), p.code, p.detail))


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Only what prevents the configuration from being used."""
    return [problem for problem in problems if problem.severity == "error"]
