"""What a form says of a server, and what that means for the file's entry, both ways. Pure.

A form holds flat texts by name: `name`, `transport`, `endpoint`, `headers.Authorization`, `oauth.clientId` and so on.
Its secrets are as they are shown, `***`, until something else is typed.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from reconciler.merge_patch import diff
from reconciler.model.document import hidden, is_secret_path, transport_word
from reconciler.model.secret import HIDDEN, masked
from reconciler.model.server import approval_of

Fields: TypeAlias = dict[str, str]
Entry: TypeAlias = Mapping[str, Any]

TEXTS = ("name", "description", "group", "cwd")
TRANSPORTS = ("stdio", "sse", "http")
OAUTH = ("clientId", "clientSecret", "scopes", "issuer", "resource")
AZURE = ("tenantId", "clientId", "clientSecret", "scope", "authorityHost", "resource")
MAPS = ("headers", "env")
ON = "on"

_APPROVALS = {"always": True, "never": False, "writes": "writes"}
_PERSON, _PROGRAM, _AZURE = "person", "program", "azure"
_IDLE = {"stdio": ("headers", "signin"), "http": ("cwd", "env"), "sse": ("cwd", "env")}
"""What means nothing for a transport; for a server that dials in all of it does."""
_TOGETHER = ("transport", "endpoint")
_NEEDED = {
    "stdio": "a command is needed: the program that runs, and its arguments",
    "http": "a URL is needed: where the server is",
    "sse": "a URL is needed: where the server is",
}


class BadField(ValueError):
    """What was typed into the field `name` means nothing; the message says why and what to write."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


def fields_of(entry: Entry) -> Fields:
    """The form of an entry whose secrets are hidden (`masked_fields`)."""
    env = entry.get("env", {})
    return {
        **{name: entry.get(name, "") for name in TEXTS},
        "transport": _transport(entry),
        "endpoint": entry["url"] if "url" in entry else _line([entry.get("command"), *entry.get("args", ())]),
        **{f"headers.{name}": value for name, value in entry.get("headers", {}).items()},
        **({f"env.{name}": value for name, value in env.items()} if isinstance(env, Mapping) else {}),
        "forward": "" if isinstance(env, Mapping) else "\n".join(env),
        **_sign_in_fields(entry),
        "approval": approval_of(entry["requireApproval"]) if "requireApproval" in entry else "",
        "enabled": ON if entry.get("enabled", not entry.get("disabled", False)) else "",
    }


def _transport(entry: Entry) -> str:
    """ "" for a mock that stands in for nothing."""
    return transport_word(entry) if entry.keys() & {"command", "url", "type"} else ""


def _line(words: list[str | None]) -> str:
    return "" if words[0] is None else shlex.join(word for word in words if word is not None)


def _sign_in_fields(entry: Entry) -> Fields:
    oauth, azure = entry.get("oauth", False), entry.get("azure", {})
    settings = oauth if isinstance(oauth, Mapping) else {}
    program = settings.get("grant") == "client_credentials"
    person = _PROGRAM if program else _PERSON
    texts = {name: value for name, value in settings.items() if name in OAUTH}
    texts |= {"scopes": "\n".join(settings["scopes"])} if "scopes" in settings else {}
    return {
        "signin": _AZURE if azure else "" if oauth is False else person,
        **{f"oauth.{name}": texts.get(name, "") for name in OAUTH},
        **{f"azure.{name}": azure.get(name, "") for name in AZURE},
    }


def entry_of(fields: Fields, entry: Entry) -> dict[str, Any]:
    """The entry that a form asks for. What is in the form as `entry` shows it stays as it is written there, and so does
    what no form knows. Raises BadField."""
    shown, made = fields_of(entry), dict(entry)
    moved = fields["transport"] != shown["transport"]
    idle = _IDLE.get(fields["transport"], ("headers", "signin", "cwd", "env")) if moved else ()
    for part, (members, write) in _PARTS.items():
        same = _part(fields, part) == _part(shown, part)
        if same and part not in idle:
            continue
        for member in members:
            made.pop(member, None)
        if not same:
            made |= write(fields, shown, entry)
    return made


def patch_of(fields: Fields, entry: Entry) -> dict[str, Any]:
    """The merge patch of `entry` that a form asks for. Raises BadField."""
    patch: dict[str, Any] = diff(entry, entry_of(fields, entry))
    return patch


def _part(fields: Fields, part: str) -> Fields:
    """The fields of one part. Browsers have their own line ends."""
    return {name: plain(text) for name, text in fields.items() if _part_of(name) == part}


def _part_of(name: str) -> str:
    first = name.partition(".")[0]
    match first:
        case "oauth" | "azure":
            return "signin"
        case "forward":
            return "env"
        case "transport":
            return "endpoint"
        case _:
            return first


def plain(text: str) -> str:
    """A text as browsers send it back, but for the form of its line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(name: str) -> Write:
    def write(fields: Fields, shown: Fields, _: Entry) -> Entry:
        text = plain(fields[name])
        if HIDDEN in text and HIDDEN in shown[name]:
            raise BadField(name, f"has {HIDDEN} where a secret is hidden: write it anew, or leave it out")
        return {name: text} if text.strip() else {}

    return write


def _write_endpoint(fields: Fields, shown: Fields, entry: Entry) -> Entry:
    kind, text = fields["transport"], plain(fields["endpoint"]).strip()
    kept = {"type": entry["type"]} if kind == shown["transport"] and "type" in entry else {}
    word = kept or ({"type": kind} if kind in ("sse", "uplink") else {})
    match kind:
        case "stdio" | "http" | "sse" if not text:
            raise BadField("endpoint", _NEEDED[kind])
        case "stdio":
            return {**word, **_command(text)}
        case "http" | "sse":
            return {**word, "url": text}
        case _ if text:
            raise BadField("endpoint", "is not reached by a URL or a command: clear it, or choose another transport")
        case _:
            return word


def _command(text: str) -> dict[str, Any]:
    if text.lower().startswith(("http://", "https://")):
        raise BadField("transport", "stdio runs a command, and this is a URL: choose http or sse")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadField("endpoint", "has a quotation mark or a backslash without its twin: add it") from error
    return {"command": words[0], **({"args": words[1:]} if words[1:] else {})} if words else {}


def _write_headers(fields: Fields, *_: Any) -> Entry:
    return _nonempty("headers", _members(fields, "headers"))


def _write_env(fields: Fields, *_: Any) -> Entry:
    names = [name for name in map(str.strip, plain(fields["forward"]).split("\n")) if name]
    values = _members(fields, "env")
    if names and values:
        why = "is either names to hand on or values: give the others the value ${NAME}, which hands one on"
        raise BadField("forward", why)
    return _nonempty("env", names or values)


def _members(fields: Fields, part: str) -> dict[str, str]:
    return {name.partition(".")[2]: text for name, text in fields.items() if name.startswith(f"{part}.")}


def _nonempty(name: str, value: Any) -> Entry:
    return {name: value} if value else {}


def _write_sign_in(fields: Fields, shown: Fields, entry: Entry) -> Entry:
    kind = fields["signin"]
    match kind:
        case "":
            return {}
        case "azure":
            before = entry.get("azure", {})
            return {"azure": _settings(fields, shown, before, "azure", AZURE)}
        case _:
            was = entry.get("oauth")
            settings = _settings(fields, shown, was if isinstance(was, Mapping) else {}, "oauth", OAUTH)
            if kind != shown["signin"]:
                settings.pop("grant", None)
                settings |= {"grant": "client_credentials"} if kind == _PROGRAM else {}
            return {"oauth": settings or True}


def _settings(fields: Fields, shown: Fields, before: Entry, part: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The settings with what was typed; what was not touched, and what no form knows, stays as it is."""
    made = dict(before)
    for name in names:
        text, key = plain(fields[f"{part}.{name}"]), f"{part}.{name}"
        if text == plain(shown[key]):
            continue
        made.pop(name, None)
        if text.strip():
            made[name] = text.split() if name == "scopes" else text.strip()
    return made


def _write_approval(fields: Fields, *_: Any) -> Entry:
    return {"requireApproval": _APPROVALS[fields["approval"]]} if fields["approval"] else {}


def _write_enabled(fields: Fields, _: Fields, entry: Entry) -> Entry:
    """A file of another client says `disabled`, and that client reads it: the two words never contradict each other."""
    on = bool(fields["enabled"])
    theirs = {"disabled": not on} if "disabled" in entry else {}
    return theirs | ({} if theirs and "enabled" not in entry else {"enabled": on})


Write: TypeAlias = Callable[[Fields, Fields, Entry], Entry]

_PARTS: Mapping[str, tuple[tuple[str, ...], Write]] = {
    "name": (("name",), _text("name")),
    "endpoint": (("type", "command", "args", "url"), _write_endpoint),
    "cwd": (("cwd",), _text("cwd")),
    "env": (("env",), _write_env),
    "headers": (("headers",), _write_headers),
    "signin": (("oauth", "azure"), _write_sign_in),
    "group": (("group",), _text("group")),
    "description": (("description",), _text("description")),
    "approval": (("requireApproval",), _write_approval),
    "enabled": (("enabled", "disabled"), _write_enabled),
}
"""Each part of a form: the members of the entry that it stands for, and what writes them."""


def known(entry: Entry) -> dict[str, Any]:
    """The members of an entry that forms know."""
    mine = {member for members, _ in _PARTS.values() for member in members}
    return {name: value for name, value in entry.items() if name in mine}


def clashes(base: Fields, mine: Fields, theirs: Fields) -> list[str]:
    """The fields that both changed since `base`, and not to the same. `endpoint` is the transport, too."""
    names = [name for name in {**base, **theirs, **mine} if name != "transport"]
    return [
        name
        for name in names
        if _differ(base, mine, name) and _differ(base, theirs, name) and _differ(mine, theirs, name)
    ]


def merged(base: Fields, mine: Fields, theirs: Fields, keep: Collection[str] = ()) -> Fields:
    """What is in the file now, with what `mine` changed of `base`; of fields that clash those that `keep` names."""
    made, both = dict(theirs), set(clashes(base, mine, theirs))
    for name in {**base, **mine}:
        lead = "endpoint" if name == "transport" else name
        if lead in keep if lead in both else _differ(base, mine, lead):
            made.pop(name, None)
            made |= {name: mine[name]} if name in mine else {}
    return made


def _differ(before: Fields, after: Fields, name: str) -> bool:
    names = _TOGETHER if name == "endpoint" else (name,)
    return any(_told(before, each) != _told(after, each) for each in names)


def _told(fields: Fields, name: str) -> str | None:
    return plain(fields[name]) if name in fields else None


def is_secret(name: str) -> bool:
    """Whether literals in this field are never shown."""
    return is_secret_path(tuple(name.split(".", 1)))


def shown_field(name: str, text: str) -> str:
    """What was typed into a field, as it may be shown elsewhere."""
    return masked(text, hidden, is_secret(name))


def field_at(path: tuple[str | int, ...]) -> str | None:
    """The field that a path inside an entry is about; None where no form has it."""
    match path:
        case () | ("command" | "args" | "url" | "type", *_):
            return "endpoint"
        case ("env", int()) | ("env",):
            return "forward"
        case ("headers" | "env" as part, str(name), *_):
            return f"{part}.{name}"
        case ("oauth" | "azure" as part, str(name), *_) if f"{part}.{name}" in fields_of({}):
            return f"{part}.{name}"
        case ("oauth" | "azure", *_):
            return "signin"
        case ("requireApproval", *_):
            return "approval"
        case ("disabled", *_):
            return "enabled"
        case (str(name), *_) if name in (*TEXTS, "headers", "enabled"):
            return name
        case _:
            return None
