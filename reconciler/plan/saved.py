"""A plan that was saved: read back, checked for staleness, and turned into the document it leads to."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.canonical import canonical
from reconciler.merge_patch import apply
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document, hidden, masked_document
from reconciler.model.pins import Pins
from reconciler.plan.document import FORMAT, FORMAT_VERSION, document_digest, id_of
from reconciler.plan.patches import touched
from reconciler.plan.pointers import Path, at, pointer, tokens
from reconciler.problems import Problem

_MAJOR = FORMAT_VERSION.split(".")[0]
_SHAPE = {"base": dict, "target": dict, "patch": dict, "fingerprints": dict, "actions": list, "drift": list}
_SUMMARIES = {
    "plan-unreadable": "Not a plan",
    "plan-version": "Plan of another version",
    "plan-edited": "Edited plan",
    "plan-stale": "Stale plan",
}


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan document as it was read; its digest fits."""

    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def digest(self) -> str:
        return str(self.document["digest"])

    @property
    def patch(self) -> Mapping[str, Any]:
        """From accepted to desired, literal secrets as `***`."""
        return self.document["patch"]  # type: ignore[no-any-return]  # checked when read

    @property
    def servers(self) -> frozenset[str]:
        """What its actions and repairs are about; `@project` among them when settings change."""
        return frozenset(action["id"] for action in (*self.document["actions"], *self.document["drift"]))


def read_saved(text: str) -> SavedPlan | list[Problem]:
    """The plan behind `plan -o json` or `--out`; refused when it is none, of another major version, or edited."""
    try:
        document = json.loads(text)
        canonical(document)
    except (ValueError, RecursionError):
        return [_problem("plan-unreadable", "the text is not JSON that can be relied on")]
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return [_problem("plan-unreadable", f'the document does not say "format": "{FORMAT}"')]
    version = document.get("formatVersion")
    if not isinstance(version, str) or version.split(".")[0] != _MAJOR:
        return [_problem("plan-version", f"this reads version {_MAJOR}, the plan has version {version}")]
    if not _has_shape(document):
        return [_problem("plan-edited", "members that every plan has are missing or of another kind")]
    found = document_digest(document)
    if document.get("digest") != found or document.get("id") != id_of(found):
        return [_problem("plan-edited", "its digest does not fit what it says")]
    return SavedPlan(document)


def _has_shape(document: Mapping[str, Any]) -> bool:
    """Whether everything is there that is read here; what else a newer minor version says does not matter."""
    members = all(isinstance(document.get(name), kind) for name, kind in _SHAPE.items())
    return (
        members
        and {"lineage", "digest", "serial", "lockDigest"} <= document["base"].keys()
        and "digest" in document["target"]
        and isinstance(document["patch"].get("mcpServers", {}), dict)
        and all(_is_action(action) for action in (*document["actions"], *document["drift"]))
    )


def _is_action(action: Any) -> bool:
    if not isinstance(action, dict) or "id" not in action or not isinstance(action.get("reasons"), list):
        return False
    return all(isinstance(reason, dict) for reason in action["reasons"])


def staleness(saved: SavedPlan, accepted: Accepted, pins: Pins, consumed: Collection[str]) -> list[str]:
    """Why the plan may not be applied any more, in sentences; empty when it may. `consumed` are plan digests."""
    base = saved.document["base"]
    reasons = []
    if saved.digest in consumed:
        reasons.append("this plan was applied already")
    if (base["lineage"] or "") != accepted.lineage:
        reasons.append("it was made for another state" if base["lineage"] else "it was made before there was any state")
    elif base["digest"] != accepted.document.digest:
        reasons.append(f"something else was applied since: serial {base['serial']} is now {accepted.serial}")
    if base["lockDigest"] != pins.digest:
        reasons.append("the lock file changed since")
    return reasons


def target_of(saved: SavedPlan, accepted: Accepted, file: Document) -> Document | list[Problem]:
    """The document the plan leads to. `***` in it is read again from `file`, and must still be the same literal."""
    hiding: Mapping[str, str] = saved.document["fingerprints"]
    part = touched(file, saved.patch)
    shown, keyed = masked_document(part, hidden), masked_document(part, file.hide)
    changed = [
        path
        for path, fingerprint in hiding.items()
        if at(shown, tokens(path)) != at(saved.patch, tokens(path))
        or fingerprint not in (at(shown, tokens(path)), at(keyed, tokens(path)))
    ]
    if changed:
        return [_changed(path) for path in changed]
    filled = _filled(saved.patch, file.written, hiding, ())
    target = Document(apply(accepted.document.written, filled), file.default_project, file.hide)
    if saved.document["target"]["digest"] not in (target.digest, _keyless(target).digest):
        return [_problem("plan-stale", "what it leads to is not what it says")]
    return target


def _filled(value: Any, real: Any, hiding: Collection[str], path: Path) -> Any:
    match value:
        case str():
            return at(real, path) if pointer(path) in hiding else value
        case dict():
            return {key: _filled(member, real, hiding, (*path, key)) for key, member in value.items()}
        case list():
            return [_filled(item, real, hiding, (*path, index)) for index, item in enumerate(value)]
        case _:
            return value


def _keyless(document: Document) -> Document:
    """The same document as it was before this project had a key."""
    return Document(document.written, document.default_project, hidden)


def _changed(path: str) -> Problem:
    return _problem("plan-stale", f"the literal at {path} is not the same in the file any more")


def _problem(code: str, detail: str) -> Problem:
    return Problem("error", code, _SUMMARIES[code], detail, hint="make a new plan: `reconciler plan --out FILE`")
