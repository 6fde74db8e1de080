"""The form of a server as a browser has it: the inputs, what somebody typed into them, and what is wrong with it.

Secrets go one way. What was typed is kept for the visit, and the page says only that there is something.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import FormData

from reconciler.config.ids import id_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.fields import (
    AZURE,
    MAPS,
    OAUTH,
    ON,
    TEXTS,
    BadField,
    Entry,
    Fields,
    field_at,
    fields_of,
    known,
    plain,
)
from reconciler.faces.page.mistakes import Mistakes, Wrong, mistakes_of
from reconciler.problems import Problem

SECRETS = ("oauth.clientSecret", "azure.clientSecret")
SPARE_ROWS = 2
MOST_ROWS = 200

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "transport": ("stdio", "sse", "http", "uplink", ""),
    "signin": ("", "person", "program", "azure"),
    "approval": ("", "always", "writes", "never"),
    "enabled": ("", ON),
}
_TEXTS = ("endpoint", "forward", *TEXTS, *(f"oauth.{name}" for name in OAUTH), *(f"azure.{name}" for name in AZURE))
_ON_ONE_LINE = ("name", "group", "cwd", "id")
_ABOUT_A_NAME = ("bad-header-name", "reserved-header", "duplicate-header", "bad-env-name", "reference-in-key")
_ABOUT_AN_ID = ("bad-id", "reserved-name", "twin-id", "exists")


@dataclass(frozen=True, slots=True)
class Row:
    """A header or a variable. `stored` is what is shown of one that the file has, `value` what was typed to replace it;
    `off`: it is to go."""

    name: str = ""
    value: str = ""
    stored: str | None = None
    off: bool = False

    @property
    def empty(self) -> bool:
        """Whether nobody typed anything into a spare row."""
        return self.stored is None and not self.name and not self.value


@dataclass(frozen=True, slots=True)
class Sheet:
    """A form with what is in it. `base` is what it was opened with: the entry's members that forms know, masked.

    In `texts` a secret is what was typed, "" where it is to stay; those in `off` are to go.
    """

    base: Entry
    texts: Fields
    rows: Mapping[str, tuple[Row, ...]]
    off: frozenset[str] = frozenset()
    id: str = ""

    @property
    def fields(self) -> Fields:
        """What the form says. Raises BadField, with the name of an input."""
        shown = fields_of(self.base)
        made = dict(self.texts)
        for name in SECRETS:
            made[name] = "" if name in self.off else self.texts[name] or shown[name]
        for part, rows in self.rows.items():
            for index, row in enumerate(rows):
                if row.empty or row.off:
                    continue
                name = f"{part}.{row.name}"
                if name in made:
                    raise BadField(f"{part}.{index}.name", "is there twice: keep one of the two")
                made[name] = row.value or row.stored or ""
        return made


def sheet_of(base: Entry, fields: Fields | None = None, id: str = "") -> Sheet:
    """The form that says `fields` of an entry, which is `base` so far and masked."""
    base = known(base)
    shown = fields_of(base)
    wanted = shown if fields is None else fields
    texts = {name: text for name, text in wanted.items() if name.partition(".")[0] not in MAPS}
    off = frozenset(name for name in SECRETS if shown[name] and not wanted[name])
    texts |= {name: "" for name in SECRETS if wanted[name] == shown[name]}
    return Sheet(base, texts, {part: tuple(_rows(part, shown, wanted)) for part in MAPS}, off, id)


def _rows(part: str, shown: Fields, wanted: Fields) -> Iterable[Row]:
    for key in [key for key in {**shown, **wanted} if key.startswith(f"{part}.")]:
        name, stored, now = key.partition(".")[2], shown.get(key), wanted.get(key)
        yield Row(name, "" if now is None or now == stored else now, stored, now is None)


def read_sheet(form: FormData, before: Sheet | None) -> Sheet:
    """The form that a browser sent; `before` has the secrets that were typed earlier. Raises HttpProblem."""
    base = _base(_text(form, "base"))
    shown = fields_of(base)
    texts = {name: _typed(form, name, shown.get(name, "")) for name in (*_TEXTS, *_CHOICES)}
    for name, choices in _CHOICES.items():
        if texts[name] not in choices:
            raise HttpProblem(400, "bad-form", f'"{name}" has a value that the form does not offer')
    for name in SECRETS:
        texts[name] = texts[name] or (before.texts[name] if before else "")
    rows = {part: tuple(_read_rows(form, part, shown, before)) for part in MAPS}
    off = frozenset(name for name in SECRETS if form.get(f"{name}.off") == ON)
    return Sheet(base, texts, rows, off, _typed(form, "id", ""))


def _base(text: str) -> dict[str, Any]:
    try:
        base = json.loads(text)
        if all(isinstance(value, str) for value in fields_of(base).values()):
            return known(base)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        pass
    raise HttpProblem(400, "bad-form", "this form is not one of ours: open the page again")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _typed(form: FormData, name: str, shown: str) -> str:
    """What was typed; blanks around a name are a slip, but for those that were there."""
    text = plain(_text(form, name))
    if text == plain(shown):
        return shown
    return text.strip() if name in _ON_ONE_LINE else text


def _read_rows(form: FormData, part: str, shown: Fields, before: Sheet | None) -> Iterable[Row]:
    for index in range(MOST_ROWS):
        here = f"{part}.{index}"
        if f"{here}.was" in form:
            name = _text(form, f"{here}.was")
            yield _read_row(form, here, Row(name, stored=shown.get(f"{part}.{name}")), _earlier(before, part, index))
        elif f"{here}.name" in form:
            name, earlier = _text(form, f"{here}.name").strip(), _earlier(before, part, index)
            yield _read_row(form, here, Row(name), earlier if name else "")
        else:
            return


def _read_row(form: FormData, here: str, row: Row, earlier: str) -> Row:
    return replace(row, value=_text(form, f"{here}.value") or earlier, off=form.get(f"{here}.off") == ON)


def _earlier(before: Sheet | None, part: str, index: int) -> str:
    """What was typed as the value of a row before."""
    rows = before.rows[part] if before else ()
    return rows[index].value if index < len(rows) else ""


def with_spare_rows(sheet: Sheet, more: int = SPARE_ROWS) -> Sheet:
    """The form with empty rows at the end of its lists."""
    full = {part: tuple(row for row in rows if not row.empty) for part, rows in sheet.rows.items()}
    return replace(sheet, rows={part: (*rows, *[Row()] * more) for part, rows in full.items()})


def base_text(sheet: Sheet) -> str:
    """What a form carries of the entry that it was opened with."""
    return json.dumps(sheet.base)


def mistakes(sheet: Sheet, server: str, problems: Iterable[Problem], patch: str = "") -> Mistakes:
    """The problems of the file as it would be, beside the inputs of the server that they are about."""
    return mistakes_of([_wrong(sheet, server, problem) for problem in problems], patch)


def _wrong(sheet: Sheet, server: str, problem: Problem) -> Wrong:
    text = f"{problem.detail}: {problem.hint}" if problem.hint else problem.detail
    path = problem.path or ()
    if path[:2] == ("groups", id_of(sheet.texts["group"])):
        return Wrong("group", text)
    if path[:2] != ("mcpServers", server):
        return Wrong("", text)
    if len(path) == 2 and problem.code in _ABOUT_AN_ID:
        return Wrong("id", text)
    found = field_at(path[2:])
    return Wrong(_input(sheet, found, problem.code) if found else "", text)


def _input(sheet: Sheet, field: str, code: str) -> str:
    """The input of a field: that of the row, for a header or a variable."""
    part, _, name = field.partition(".")
    for index, row in enumerate(sheet.rows.get(part, ())):
        if row.name == name and not row.off and not row.empty:
            about_name = row.stored is None and code in _ABOUT_A_NAME
            return f"{part}.{index}.{'name' if about_name else 'value'}"
    return "" if part in MAPS else field
