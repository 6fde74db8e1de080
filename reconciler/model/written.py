"""The configuration as people write it: every field once, with its type, its words and what a change of it does.

The `x-effect` of a field drives the diff, the documentation, the published JSON Schema and the page's hints.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

Effect = Literal["reconnect", "enable", "policy", "display", "regroup"]
Mark = Literal["launch", "loosen"]
Approval: TypeAlias = bool | Literal["writes"]
DURATION = r"^[0-9]{1,9}(\.[0-9]{1,3})?(ms|s|m|h)$"
Duration: TypeAlias = Annotated[str, StringConstraints(pattern=DURATION)]
Colour: TypeAlias = Annotated[str, StringConstraints(pattern="^#[0-9a-fA-F]{6}$")]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=65536)]


def field(effect: Effect, words: str, *, mark: Mark | None = None, secret: bool = False) -> Any:
    """A field of a server: what a change does, a sentence for people, and whether its literals are secrets."""
    extra: dict[str, Any] = {"x-effect": effect}
    if mark:
        extra["x-mark"] = mark
    if secret:
        extra["x-secret"] = True
    return Field(default=None, description=words, json_schema_extra=extra)


class Written(BaseModel):
    """Strict, frozen, no unknown fields; names in the file are camelCase."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)


class OAuth(Written):
    """Settings of a sign-in; `oauth: true` discovers them."""

    clientId: str | None = Field(default=None, description="Client id of a registered application.")
    clientSecret: str | None = Field(default=None, description="Its secret.", json_schema_extra={"x-secret": True})
    scopes: list[str] | None = Field(default=None, description="Scopes to ask for.")
    issuer: str | None = Field(default=None, description="Issuer URL of the authorization server.")
    resource: str | None = Field(default=None, description="Resource indicator (RFC 8707), or `omit`.")
    grant: Literal["authorization_code", "client_credentials"] | None = Field(
        default=None, description="How a token is obtained; authorization_code when absent."
    )


class Azure(Written):
    """Microsoft Entra client credentials."""

    tenantId: str = Field(description="Directory (tenant) id.")
    clientId: str = Field(description="Application (client) id.")
    clientSecret: str = Field(description="Client secret.", json_schema_extra={"x-secret": True})
    scope: str = Field(description="Scope, usually `api://<app>/.default`.")
    authorityHost: str | None = Field(default=None, description="Login host of another cloud.")
    resource: str | None = Field(default=None, description="Resource indicator, or `omit`.")


class Timeouts(Written):
    """Deadlines: durations such as `30s`, `500ms`, `2m`."""

    start: Duration | None = Field(default=None, description="From start to the answered handshake (30s).")
    list: Duration | None = Field(default=None, description="For listing all tools, prompts and resources (15s).")
    call: Duration | None = Field(default=None, description="For one call in all (60s).")


class ToolRule(Written):
    """What holds for the tools a name or glob selects; the most specific selector wins."""

    requireApproval: Approval | None = field("policy", "Whether calls ask a person first.", mark="loosen")
    timeout: Duration | None = field("policy", "Deadline of one call of this tool.")


class Mock(Written):
    """Answers without a server."""

    enabled: bool | None = Field(default=None, description="Whether the mock stands in for the server (true).")
    scenario: str | None = Field(default=None, description="A word for people about what is mocked.")
    tools: list[dict[str, Any]] | None = Field(default=None, description="Tool definitions to list.")
    responses: dict[str, Any] | None = Field(default=None, description="Fixed results by tool name.")


EnvField: TypeAlias = Annotated[
    Annotated[list[str], Tag("list")] | Annotated[dict[str, str], Tag("map")],
    Discriminator(lambda value: "map" if isinstance(value, dict) else "list"),
]
OAuthField: TypeAlias = Annotated[
    Annotated[bool, Tag("plain")] | Annotated[OAuth, Tag("map")],
    Discriminator(lambda value: "map" if isinstance(value, dict | OAuth) else "plain"),
]


class WrittenServer(Written):
    """One server under `mcpServers`."""

    command: Annotated[str, StringConstraints(min_length=1)] | None = field(
        "reconnect", "Program to run for a stdio server. Never a shell line.", mark="launch"
    )
    args: list[str] | None = field("reconnect", "Its arguments.", mark="launch")
    cwd: str | None = field("reconnect", "Working directory, relative to the file.", mark="launch")
    env: EnvField | None = field(
        "reconnect", "Environment: a list forwards names, a map sets values.", mark="launch", secret=True
    )
    url: str | None = field("reconnect", "URL of a remote server. A new origin counts as a launch.")
    type: Literal["stdio", "http", "sse", "uplink"] | None = field(
        "reconnect", "Transport; inferred from command or url."
    )
    headers: dict[str, str] | None = field("reconnect", "HTTP headers of a remote server.", secret=True)
    oauth: OAuthField | None = field("reconnect", "Sign-in: false, true, or settings.")
    azure: Azure | None = field("reconnect", "Microsoft Entra client credentials.")
    enabled: bool | None = field("enable", "Whether the server is live (true); its group must be enabled too.")
    requireApproval: Approval | None = field(
        "policy", "Whether calls ask a person first: true, false, or writes.", mark="loosen"
    )
    allowTools: list[str] | None = field("policy", "Globs of the tools that are offered (all).", mark="loosen")
    denyTools: list[str] | None = field("policy", "Globs of tools that are never offered.", mark="loosen")
    tools: dict[str, ToolRule] | None = field("policy", "Rules by tool name or glob.", mark="loosen")
    name: Name | None = field("display", "Name for people; the id when absent.")
    description: Text | None = field("display", "What the server is for.")
    group: str | None = field("regroup", "Id of a group.")
    metadata: dict[str, Any] | None = field("display", "Anything you want to keep with the server.")
    iconUrl: str | None = field("display", "Picture for people.")
    timeouts: Timeouts | None = field("policy", "Deadlines of this server.")
    strategy: Literal["replace-first", "recreate"] | None = field(
        "policy", "replace-first proves the new session before the old goes; recreate stops the old first."
    )
    protect: bool | None = field("policy", "Refuse to delete this server.", mark="loosen")
    required: bool | None = field("policy", "Count this server for readiness.")
    lock: Literal["off", "warn", "enforce"] | None = field("policy", "What a changed tool means.", mark="loosen")
    connection: Literal["proxy", "direct"] | None = field(
        "policy", "direct: clients go to the server themselves; it is only watched."
    )
    mock: Mock | None = field("reconnect", "Answer without a server.")


class Defaults(Written):
    """What holds for servers that do not say otherwise."""

    requireApproval: Approval | None = Field(default=None, description="Whether calls ask a person first (true).")
    timeouts: Timeouts | None = Field(default=None, description="Deadlines.")


class Group(Written):
    """A group of servers; it need not be declared."""

    name: Name | None = Field(default=None, description="Name for people; the id when absent.")
    color: Colour | None = Field(default=None, description="Colour on the page, `#rrggbb`.")
    description: Text | None = Field(default=None, description="What the group is for.")
    enabled: bool | None = Field(default=None, description="Whether its servers may be live (true).")
    requireApproval: Approval | None = Field(default=None, description="Whether calls ask a person first.")


class Approvals(Written):
    """How approvals are asked for and kept."""

    via: list[Literal["page", "cli", "client"]] | None = Field(default=None, description="Who may ask ([page, cli]).")
    keep: Duration | None = Field(default=None, description="How long a waiting call is kept (8h).")
    remember: Literal["file", "local"] | None = Field(default=None, description="Where always-allow is written.")


class WrittenDocument(Written):
    """The whole configuration file."""

    model_config = ConfigDict(title="reconciler.yaml")

    schema_: str | None = Field(default=None, alias="$schema", description="Schema of this file, for editors.")
    version: Literal[1] | None = Field(default=None, description="Version of this format.")
    project: str | None = Field(default=None, description="Name of the project; also projectId and namespace.")
    envFile: str | None = Field(default=None, description="File with NAME=value lines for `${env:NAME}`.")
    lock: Literal["off", "warn", "enforce"] | None = Field(default=None, description="What a changed tool means.")
    defaults: Defaults | None = Field(default=None, description="What holds for servers that do not say otherwise.")
    timeouts: Timeouts | None = Field(default=None, description="Deadlines.")
    groups: dict[str, Group] | None = Field(default=None, description="Groups by id.")
    approvals: Approvals | None = Field(default=None, description="How approvals are asked for and kept.")
    mcpServers: dict[str, WrittenServer] = Field(description="Servers by id.")


def effect_of(name: str) -> Effect:
    """What a change of the server field `name` does; an unknown (kept) field is display only."""
    return SERVER_FIELDS.get(name, {}).get("x-effect", "display")  # type: ignore[no-any-return]  # a JSON extra


SERVER_FIELDS: dict[str, dict[str, Any]] = {
    name: info.json_schema_extra
    for name, info in WrittenServer.model_fields.items()
    if isinstance(info.json_schema_extra, dict)
}
