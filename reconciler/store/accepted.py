"""accepted.json: what was last applied, replaced whole at every change. `plan` reads it, only the engine writes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.store.files import write_whole
from reconciler.store.sealed import seal, unseal
from reconciler.store.state_dir import StateDir, fingerprint

FORMAT = "reconciler.accepted"
VERSION = 1


class StateTooNew(Exception):
    """A newer reconciler wrote this state; it is left as it is."""

    def __init__(self, path: Path, found: object, known: int) -> None:
        super().__init__(f"{path} has format {found}, this reconciler knows {known}: a newer one is needed")
        self.path = path


class StateDamaged(Exception):
    """accepted.json is not what was written; the message names the file and why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


def read_accepted(state: StateDir, *, default_project: str) -> Accepted:
    """What was last applied; an Accepted that does not `exist` before the first apply.

    Raises StateDamaged, StateTooNew.
    """
    key = state.key()
    hide = fingerprint(key)
    try:
        data = state.accepted.read_bytes()
    except FileNotFoundError:
        return Accepted(document=Document(default_project=default_project, hide=hide))
    try:
        body = _body(json.loads(data.decode("utf-8")), state.accepted)
        opened = unseal({"document": body["document"], "ready": body["ready"]}, body["sealed"], key)
    except (ValueError, KeyError, TypeError) as error:
        raise StateDamaged(state.accepted, str(error) or type(error).__name__) from error
    return Accepted(
        lineage=body["lineage"],
        serial=body["serial"],
        document=Document(opened["document"], default_project, hide),
        yeses=frozenset(body["yeses"]),
        protected=frozenset(body["protected"]),
        ready=opened["ready"],
        changed=body["changed"],
    )


def _body(stored: Any, path: Path) -> dict[str, Any]:
    """What the envelope holds, when it is whole. A version that came by a damaged byte has no fitting checksum."""
    body: dict[str, Any] = stored["body"]
    if stored["format"] != FORMAT or stored["checksum"] != _checksum(stored):
        raise StateDamaged(path, "the checksum does not fit")
    if stored["formatVersion"] != VERSION:
        raise StateTooNew(path, stored["formatVersion"], VERSION)
    return body


def write_accepted(state: StateDir, accepted: Accepted) -> None:
    """Replace accepted.json. Literal secrets are sealed under the project's key. Raises OSError."""
    parts, sealed = seal({"document": accepted.document.written, "ready": accepted.ready}, state.ensure_key())
    body = {
        "lineage": accepted.lineage,
        "serial": accepted.serial,
        "yeses": sorted(accepted.yeses),
        "protected": sorted(accepted.protected),
        "changed": dict(accepted.changed),
        **parts,
        "sealed": sealed,
    }
    stored: dict[str, Any] = {"format": FORMAT, "formatVersion": VERSION, "body": body}
    write_whole(state.accepted, json.dumps({**stored, "checksum": _checksum(stored)}), mode=0o600)


def set_aside(path: Path, at: str) -> Path:
    """Move a damaged file out of the way, keeping it: `<name>.corrupt-<at>`."""
    aside = path.with_name(f"{path.name}.corrupt-{at}")
    path.replace(aside)
    return aside


def _checksum(stored: Mapping[str, Any]) -> str:
    """Of the version and the body as JSON with sorted keys, in every version alike: a change that matters shows."""
    text = json.dumps([stored["formatVersion"], stored["body"]], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
