"""The configuration as the config dialect shows it, and what a patch of what was shown means for the file. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.merge_patch import equal
from reconciler.model.document import Document, hidden, masked_document, masked_server
from reconciler.model.secret import masked, tells_secret
from reconciler.model.written import SERVER_FIELDS

Shown = dict[str, Any]


def shown_document(document: Document) -> Shown:
    """The whole configuration: settings as written, and each server as `shown_server` says."""
    servers = {server_id: shown_server(document, server_id) for server_id in document.servers}
    return {**masked_document(document.settings, hidden), "mcpServers": servers}


def shown_server(document: Document, server_id: str) -> Shown:
    """One server as written, with the defaults of the config dialect filled in. Secrets are references or `***`."""
    written, facts = document.servers[server_id], document.facts(server_id)
    fields = {
        name: _named_hidden(value, secret=tells_secret(name)) if _is_free(name) else value
        for name, value in masked_server(server_id, written, hidden).items()
        if name != "disabled"
    }
    return {
        **fields,
        "name": facts["name"],
        "enabled": written.get("enabled", not written.get("disabled", False)),
        "requireApproval": facts["requireApproval"] is not False,
        "oauth": fields.get("oauth", False),
    }


def _is_free(name: str) -> bool:
    """Whether people write into this field of a server what they like."""
    return name == "metadata" or name not in SERVER_FIELDS


def _named_hidden(value: Any, *, secret: bool) -> Any:
    """`value` without the literals that stand under names such as `token`."""
    if isinstance(value, dict):
        return {name: _named_hidden(member, secret=secret or tells_secret(name)) for name, member in value.items()}
    if isinstance(value, list):
        return [_named_hidden(item, secret=secret) for item in value]
    return masked(value, hidden, True) if secret and isinstance(value, str) else value


def meant(patch: Mapping[str, Any], document: Document) -> Shown:
    """The part of a patch that says something else than what was read.

    Who reads the configuration, changes one thing and sends all of it back means that one thing: what repeats a value
    of the file as it was shown is left out. Where a server comes back with every field that was shown, some of them
    as they are in the file, its filled-in defaults are left out as well; any other patch is written as it says.
    """
    settings = {name: value for name, value in patch.items() if name != "mcpServers"}
    told = _news(settings, masked_document(document.settings, hidden), document.settings)
    servers = patch.get("mcpServers")
    if isinstance(servers, dict):
        changed = {server_id: _server_news(server_id, value, document) for server_id, value in servers.items()}
        return {**told, "mcpServers": {key: new for key, new in changed.items() if new != {} or servers[key] == {}}}
    return {**told, "mcpServers": servers} if "mcpServers" in patch else told


def _server_news(server_id: str, value: Any, document: Document) -> Any:
    if not isinstance(value, dict) or server_id not in document.servers:
        return value
    written, shown = document.servers[server_id], shown_server(document, server_id)
    filled = {name for name in shown if name not in written or _is_other_word(written[name], shown[name])}
    repeated = {name for name, member in value.items() if name in shown and equal(member, shown[name])}
    read_back = shown.keys() <= value.keys() and repeated - filled
    rest = {name: member for name, member in value.items() if not (read_back and name in filled & repeated)}
    news = _news(rest, shown, {name: member for name, member in written.items() if name not in filled})
    return _in_its_word(news, written) if "disabled" in written else news


def _in_its_word(news: Shown, written: Mapping[str, Any]) -> Shown:
    """A file of another client says `disabled`, and that client reads it: the two words never contradict each other."""
    match news.get("enabled", ...):
        case bool(enabled) if "enabled" not in written:
            return {**{name: value for name, value in news.items() if name != "enabled"}, "disabled": not enabled}
        case bool(enabled):
            return {**news, "disabled": not enabled}
        case None:
            return {**news, "disabled": None}
        case _:
            return news


def _is_other_word(written: Any, shown: Any) -> bool:
    """Whether a value is shown as a boolean that is not one in the file: `writes` has no word in this dialect."""
    return isinstance(shown, bool) and not isinstance(written, bool)


def _news(patch: Mapping[str, Any], shown: Mapping[str, Any], written: Mapping[str, Any]) -> Shown:
    """What of `patch` is neither what `written` says nor how that is `shown`."""
    told: Shown = {}
    for name, value in patch.items():
        before, behind = shown.get(name), written.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and isinstance(behind, dict):
            if inner := _news(value, before, behind):
                told[name] = inner
        elif name not in written or name not in shown or not equal(value, before):
            told[name] = value
    return told
