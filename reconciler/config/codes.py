"""Every mistake a configuration can have: its code and the sentence that is fixed for it."""

from __future__ import annotations

from reconciler.problems import Place, Problem, Severity

SUMMARY = {
    # the text
    "file-too-large": "The file is too large",
    "bad-character": "A character that may not stand here",
    "merge-conflict": "A merge conflict that nobody resolved",
    "yaml-syntax": "Not valid YAML",
    "json-syntax": "Not valid JSON",
    "comment-in-json": "A comment in a JSON file",
    "trailing-comma": "A comma with nothing after it",
    "empty-file": "The file is empty",
    "several-documents": "More than one YAML document",
    "yaml-version": "Not YAML 1.2",
    "custom-tag": "A YAML tag",
    "merge-key": "A YAML 1.1 merge key",
    "key-not-text": "A key that is not text",
    "duplicate-key": "The same key twice",
    "unknown-anchor": "An alias without an anchor",
    "recursive-alias": "An alias inside itself",
    "too-many-aliases": "Aliases add too much",
    "too-many-values": "Too many values",
    "too-deep": "Nested too deeply",
    "not-json": "Not a number JSON has",
    "number-too-large": "A number too large",
    # the shape
    "not-a-map": "Not a map at the top",
    "empty-value": "A key with no value",
    "removes-nothing": "A null that removes nothing",
    "missing-servers": "No mcpServers",
    "other-client-file": "A file in another format",
    "unknown-field": "A field nobody knows",
    "missing-field": "A field is missing",
    "wrong-type": "A value of the wrong type",
    "bad-value": "A value that is not allowed",
    "bad-duration": "Not a duration",
    # the rules
    "bad-id": "Not a usable id",
    "twin-id": "Two ids that differ only in case",
    "reserved-name": "A reserved name",
    "long-name": "A name that clients see cut",
    "too-many-servers": "Too many servers",
    "no-transport": "Neither command nor url",
    "two-transports": "Both command and url",
    "type-mismatch": "The type does not fit",
    "field-does-not-apply": "A field of another transport",
    "two-sign-ins": "Two ways to sign in",
    "bad-url": "Not a usable URL",
    "bad-header-name": "Not a usable header name",
    "bad-header-value": "Not a usable header value",
    "duplicate-header": "The same header twice",
    "reserved-header": "A header that is not yours to set",
    "bad-env-name": "Not the name of an environment variable",
    "duplicate-name": "The same name twice",
    "control-character": "A character that is not for text",
    # references and secrets
    "bad-reference": "Not a reference",
    "reference-in-key": "A reference in a key",
    "reference-in-args": "A reference in args",
    "reference-not-resolved": "A reference that stays as it is",
    "literal-secret": "A secret written out",
}
"""Code -> fixed sentence, in the order in which reading finds them."""


def problem(
    code: str,
    detail: str,
    place: Place | None,
    hint: str | None = None,
    severity: Severity = "error",
    path: tuple[str | int, ...] | None = None,
) -> Problem:
    """The Problem with this code; raises KeyError for a code nobody has given a sentence."""
    return Problem(severity, code, SUMMARY[code], detail, place, hint, path)
