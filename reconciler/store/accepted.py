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


class StateDamaged(Exception):
    """accepted.json is not what was written; the message names the file and why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


def read_accepted(state: StateDir, *, default_project: str) -> Accepted:
    """What was last applied; an Accepted that does not `exist` before the first apply. Raises StateDamaged."""
    key = state.key()
    hide = fingerprint(key)
    try:
        text = state.accepted.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Accepted(document=Document(default_project=default_project, hide=hide))
    try:
        stored = json.loads(text)
        body = stored["body"]
        if stored["format"] != FORMAT or _checksum(body) != stored["checksum"]:
            raise StateDamaged(state.accepted, "the checksum does not fit")
        if stored["formatVersion"] != VERSION:
            raise StateDamaged(state.accepted, f"format {stored['formatVersion']} needs a newer reconciler")
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
    stored = {"format": FORMAT, "formatVersion": VERSION, "checksum": _checksum(body), "body": body}
    write_whole(state.accepted, json.dumps(stored, ensure_ascii=False), mode=0o600)


def set_aside(path: Path, at: str) -> Path:
    """Move a damaged file out of the way, keeping it: `<name>.corrupt-<at>`."""
    aside = path.with_name(f"{path.name}.corrupt-{at}")
    path.replace(aside)
    return aside


def _checksum(body: Mapping[str, Any]) -> str:
    """Of the body as JSON with sorted keys: any change of a byte that matters shows."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
