"""Apply an RFC 7396 merge patch to the text of a configuration file: only the lines that must change do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reconciler.config.draft import CannotEdit, Draft
from reconciler.config.edit_block import change_root, end_last_text
from reconciler.config.edit_flow import change_flow
from reconciler.config.events import parse_yaml
from reconciler.config.json_text import parse_json
from reconciler.config.layout import json_layout, line_end, yaml_style
from reconciler.config.print import Style
from reconciler.config.print_json import JsonFlow
from reconciler.config.tree import Alias, Lines, Mapping, Node, Scalar, walk
from reconciler.merge_patch import apply, equal
from reconciler.problems import Problem, errors


class EditRefused(Exception):
    """The text stays as it is. The message is a sentence for people; `patch` is the change to be made by hand.

    `patch` may hold secrets and is not in the message; there is none where a text was only to be formatted.
    `problems` says what is wrong with a text that cannot be read.
    """

    def __init__(self, message: str, patch: Any = None, problems: list[Problem] | None = None) -> None:
        super().__init__(message)
        self.patch, self.problems = patch, problems or []


def edit(text: str, patch: dict[str, Any], *, file: str) -> str:
    """`text` with the merge patch applied to its value: `parse(edit(text, patch)) == apply(parse(text), patch)`.

    A `file` that ends in `.json` is JSON, any other YAML. Raises EditRefused where the text cannot be read, where the
    change would reach through an anchor or an alias, or where the result would not be exactly what was asked for.
    """
    if not patch:
        return text
    root, have = _read(text, file, patch)
    want = apply(have, patch)
    for result in edits(text, root, patch, file=file):
        if result == text or _holds(result, file, want):
            return result
    raise no_edit(file, patch)


def edits(text: str, root: Node | None, patch: dict[str, Any], *, file: str) -> Iterator[str]:
    """The same for whoever has read `text` already, as `root`, and reads the results: the first that reads as it should
    is the edit. Raises EditRefused."""
    have = {} if root is None or root.value is None else root.value
    want = apply(have, patch)
    if equal(have, want):
        yield text
    else:
        try:
            yield from _rewrites(text, file, root, want)
        except CannotEdit as reason:
            raise EditRefused(f"{file}: {reason}", patch) from None


def no_edit(file: str, patch: dict[str, Any]) -> EditRefused:
    """What is said when none of the edits reads as it should."""
    return EditRefused(f"{file}: no careful edit of the text makes this change; it has to be made by hand", patch)


def parse(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The document in `text`, by the reader for files named so."""
    return parse_json(text, file) if file.endswith(".json") else parse_yaml(text, file)


def _read(text: str, file: str, patch: Any) -> tuple[Node | None, Any]:
    """The document and its value; nothing and null are an empty object here."""
    root, problems = parse(text, file)
    wrong = [problem for problem in errors(problems) if problem.code != "empty-file"]
    if wrong:
        raise EditRefused(f"{file} cannot be read, so it cannot be edited: {wrong[0].summary}", patch, wrong)
    return root, {} if root is None or root.value is None else root.value


def _holds(text: str, file: str, want: Any) -> bool:
    """Whether `text` reads as `want`."""
    root, problems = parse(text, file)
    have = {} if root is None else root.value
    return not [problem for problem in errors(problems) if problem.code != "empty-file"] and equal(have, want)


def _rewrites(text: str, file: str, root: Node | None, want: dict[str, Any]) -> Iterator[str]:
    """The edited text. Without a final line end there are ways to go on without one, and at last one with it."""
    eol = line_end(text)
    if text.endswith("\n") or not text.removeprefix("\ufeff"):
        yield _rewrite(text, file, root, want, literals=True)
        return
    yield _rewrite(text + eol, file, root, want, literals=True).removesuffix(eol)
    yield _rewrite(text + eol, file, root, want, literals=False).removesuffix(eol)
    yield _rewrite(text + eol, file, root, want, literals=True)


def _rewrite(text: str, file: str, root: Node | None, want: dict[str, Any], *, literals: bool) -> str:
    lines = Lines(file, text)
    if file.endswith(".json"):
        return _rewrite_json(lines, root, want).result()
    draft = Draft(lines, replace(yaml_style(root, text), literals=literals))
    change_root(draft, root, want)
    _check_anchors(draft, root)
    end_last_text(draft, root)
    return draft.result()


def _rewrite_json(lines: Lines, root: Node | None, want: dict[str, Any]) -> Draft:
    draft = Draft(lines, Style(line_end(lines.text)))
    match root:
        case Mapping() if root.keys:
            change_flow(draft, root, want, json_layout(root, lines))
        case Mapping() | Scalar(value=None):
            draft.replace(root.first, root.last, JsonFlow(eol=draft.style.eol).value(want))
        case None:
            draft.insert_lines(len(lines.text), [JsonFlow(eol=draft.style.eol).value(want)])
        case _:
            raise CannotEdit("the file does not hold an object at its top")
    return draft


def _check_anchors(draft: Draft, root: Node | None) -> None:
    """Refuse a change of what an alias elsewhere stands for."""
    if root is None or "*" not in draft.lines.text:
        return
    dropped = [(node.first, node.last) for node in draft.dropped]
    for _, node in walk(root):
        if not isinstance(node, Alias) or _within(node, dropped):
            continue
        if _within(node.target, dropped) or any(node.target is entered for entered in draft.entered):
            line = node.start.line + 1
            raise CannotEdit(f"line {line} repeats by an alias (*{node.target.anchor}) what this would change")


def _within(node: Node, spans: list[tuple[int, int]]) -> bool:
    return any(first <= node.first and node.last <= last for first, last in spans)
