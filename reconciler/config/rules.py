"""The rules between values whose types are right: how many, which names, which fields go together."""

from __future__ import annotations

from typing import Any

from reconciler.config.findings import Findings
from reconciler.config.rules_names import check_display_name, check_names
from reconciler.config.rules_transport import check_transport
from reconciler.config.rules_values import check_values
from reconciler.config.words import named

MAX_SERVERS = 10_000


def check_rules(sound: dict[str, Any], findings: Findings) -> None:
    """Find every broken rule in `sound`, a merged value without what has the wrong shape."""
    servers: dict[str, dict[str, Any]] = sound.get("mcpServers", {})
    if len(servers) > MAX_SERVERS:
        first_over = list(servers)[MAX_SERVERS]
        detail, hint = f"more than {MAX_SERVERS} servers", "split the file into several projects"
        findings.error_at_key("too-many-servers", detail, ("mcpServers", first_over), hint)
        return
    check_names(sound, findings)
    for group_id, group in sound.get("groups", {}).items():
        check_display_name(group, ("groups", group_id), findings)
    strict = "version" in sound or ("version",) in findings.spoiled
    for server_id, server in servers.items():
        check_transport(server_id, server, findings, strict=strict)
        check_values(server_id, server, findings)
        _check_sign_in(server_id, server, findings)


def _check_sign_in(server_id: str, server: dict[str, Any], findings: Findings) -> None:
    oauth, path = server.get("oauth"), ("mcpServers", server_id)
    if oauth and "azure" in server:
        detail, hint = f"{named(path)} has both `oauth` and `azure`", "keep one of the two"
        findings.error_at_key("two-sign-ins", detail, (*path, "azure"), hint)
    if isinstance(oauth, dict) and oauth.get("grant") == "client_credentials":
        for name in ("clientId", "clientSecret"):
            if name not in oauth and (*path, "oauth", name) not in findings.spoiled:
                detail = f"{named((*path, 'oauth'))} lacks {name}, which client_credentials needs"
                findings.error_at_key("missing-field", detail, (*path, "oauth", "grant"), f"write `{name}: ...`")
