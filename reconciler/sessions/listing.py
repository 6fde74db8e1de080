"""Everything a session offers, page by page, each tool judged on its own. Reads a Session, returns raw definitions."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.model.mirrored import Unmirrorable, mirrored_arguments
from reconciler.sessions.frames import is_deeper
from reconciler.sessions.limits import LIMITS, TOOL_NAME, Limits
from reconciler.sessions.session import DeadlineExceeded, RpcError, Session

METHOD_NOT_FOUND = -32601
LISTS = (
    ("tools", "tools/list", "tools"),
    ("prompts", "prompts/list", "prompts"),
    ("resources", "resources/list", "resources"),
    ("resources", "resources/templates/list", "resourceTemplates"),
)
"""Capability, method, member of the result."""
KINDS = ("tools", "prompts", "resources")
"""The capabilities that stand for lists; a server tells of changes by them."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server offers, as it said it. `withheld` are (name, reason) of the tools that cannot be offered.

    `truncated` says which cap cut a list short, in words; `notes` are (name, remark) of tools that stay all the same.
    """

    tools: tuple[Mapping[str, Any], ...] = ()
    prompts: tuple[Mapping[str, Any], ...] = ()
    resources: tuple[Mapping[str, Any], ...] = ()
    resource_templates: tuple[Mapping[str, Any], ...] = ()
    withheld: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    truncated: str | None = None


async def list_all(session: Session, *, timeout: float, limits: Limits = LIMITS) -> Listing:
    """All lists that the server's capabilities declare, within `timeout` seconds together.

    Raises DeadlineExceeded, RpcError when a list is refused, SessionError when the session ends.
    """
    return await list_again(session, Listing(), KINDS, timeout=timeout, limits=limits)


async def list_again(
    session: Session, before: Listing, kinds: Collection[str], *, timeout: float, limits: Limits = LIMITS
) -> Listing:
    """`before` with the lists of these kinds read anew. Raises as `list_all` does."""
    deadline = asyncio.get_running_loop().time() + timeout
    found: dict[str, _Pages] = {}
    for capability, method, member in LISTS:
        if capability in kinds:
            found[member] = _Pages(method, member, limits)
            if isinstance(session.handshake.capabilities.get(capability), dict):
                await found[member].fetch(session, deadline)
    fresh = before
    if "tools" in found:
        judged = judge(found["tools"].entries, limits, mirrors=session.handshake.era == "stateless")
        fresh = replace(fresh, tools=judged.tools, withheld=judged.withheld, notes=judged.notes)
    if "prompts" in found:
        fresh = replace(fresh, prompts=_objects(found["prompts"].entries))
    if "resources" in found:
        templates = _objects(found["resourceTemplates"].entries)
        fresh = replace(fresh, resources=_objects(found["resources"].entries), resource_templates=templates)
    return replace(fresh, truncated=_truncated(before, found))


def _truncated(before: Listing, found: Mapping[str, _Pages]) -> str | None:
    """The first cut of a list just read, else what was said before of another list."""
    for pages in found.values():
        if pages.truncated:
            return pages.truncated
    said = before.truncated
    return None if said is None or any(said.startswith(f"{pages.method}:") for pages in found.values()) else said


class _Pages:
    """One list, followed to its end or to the first cap."""

    def __init__(self, method: str, member: str, limits: Limits) -> None:
        self.method = method
        self._member = member
        self._limits = limits
        self._most = limits.tools if member == "tools" else limits.entries
        self._size = 0
        self.entries: list[Any] = []
        self.truncated: str | None = None

    async def fetch(self, session: Session, deadline: float) -> None:
        seen: set[str] = set()
        params: dict[str, Any] = {}
        for _ in range(self._limits.pages):
            page = await self._page(session, params, deadline)
            cursor = page.get("nextCursor")
            if not self._take(page.get(self._member)) or cursor is None:
                return
            if not isinstance(cursor, str) or cursor in seen:
                self._cut("its cursors go round in circles" if isinstance(cursor, str) else "a cursor that is no text")
                return
            seen.add(cursor)
            params = {"cursor": cursor}
        self._cut(f"more than {self._limits.pages} pages")

    async def _page(self, session: Session, params: dict[str, Any], deadline: float) -> Mapping[str, Any]:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded(f"Its lists were not complete in time ({self.method}).")
        try:
            return await session.request(self.method, params, timeout=left)
        except RpcError as error:
            if error.code == METHOD_NOT_FOUND and self._member != "tools":
                return {}
            raise

    def _take(self, entries: Any) -> bool:
        """Keep a page as far as the caps allow; False when they are reached, or when it is no page."""
        if not isinstance(entries, list | None):
            self._cut(f"its {self._member} are no list")
            return False
        for entry in entries or ():
            self._size += _size(entry)
            if len(self.entries) >= self._most:
                self._cut(f"more than {self._most} entries")
                return False
            if self._size > self._limits.listing:
                self._cut(f"more than {self._limits.listing} bytes")
                return False
            self.entries.append(entry)
        return True

    def _cut(self, why: str) -> None:
        self.truncated = f"{self.method}: {why}"


def judge(tools: Iterable[Any], limits: Limits = LIMITS, *, mirrors: bool = False) -> Listing:
    """Sort raw tools into those that can be offered and those withheld, in the server's order.

    `mirrors` is whether arguments may travel as headers too: in the stateless era a tool that asks for that wrongly
    must not be offered (MCP 2026-07-28, `x-mcp-header`).
    """
    given = list(tools)
    names = Counter(tool["name"] for tool in given if isinstance(tool, dict) and isinstance(tool.get("name"), str))
    kept: list[Mapping[str, Any]] = []
    withheld: list[tuple[str, str]] = []
    for position, tool in enumerate(given):
        reason = (
            _fault(tool, limits)
            or (names[tool["name"]] > 1 and "several tools have this name")
            or (mirrors and _mirror_fault(tool))
        )
        if reason:
            withheld.append((_shown_name(tool, position), reason))
        else:
            kept.append(tool)
    notes = tuple((tool["name"], note) for tool in kept for note in _notes(tool, limits))
    return Listing(tools=tuple(kept), withheld=tuple(withheld), notes=notes)


def _fault(tool: Any, limits: Limits) -> str | None:
    if not isinstance(tool, dict):
        return "it is no object"
    name = tool.get("name")
    if not isinstance(name, str) or not TOOL_NAME.fullmatch(name):
        return "its name is not 1 to 128 of A-Z a-z 0-9 _ . -"
    for member, kind, word in _MEMBERS:
        if member in tool and not isinstance(tool[member], kind):
            return f"its {member} is no {word}"
    schema = tool.get("inputSchema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "its inputSchema does not describe an object"
    return _schema_fault("inputSchema", schema, limits) or _schema_fault(
        "outputSchema", tool.get("outputSchema"), limits
    )


def _mirror_fault(tool: Mapping[str, Any]) -> str | None:
    try:
        mirrored_arguments(tool["inputSchema"])
    except Unmirrorable as fault:
        return str(fault)
    return None


_MEMBERS: tuple[tuple[str, type, str], ...] = (
    ("description", str, "text"),
    ("title", str, "text"),
    ("outputSchema", dict, "object"),
    ("annotations", dict, "object"),
    ("_meta", dict, "object"),
)


def _schema_fault(member: str, schema: Any, limits: Limits) -> str | None:
    if is_deeper(schema, limits.schema_depth):
        return f"its {member} nests deeper than {limits.schema_depth}"
    if _size(schema) > limits.schema:
        return f"its {member} is larger than {limits.schema} bytes"
    return None


def _size(value: Any) -> int:
    """Bytes as compact JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace"))


def _notes(tool: Mapping[str, Any], limits: Limits) -> Iterable[str]:
    size = len(tool.get("description", "").encode("utf-8", "replace"))
    if size > limits.description:
        yield f"its description is {size} bytes long"


def _shown_name(tool: Any, position: int) -> str:
    """A name fit to be shown: anything that could deceive a reader is escaped."""
    name = tool.get("name") if isinstance(tool, dict) else None
    if not isinstance(name, str) or not name:
        return f"#{position + 1}"
    return name if TOOL_NAME.fullmatch(name) else name[:80].encode("unicode_escape").decode("ascii")


def _objects(entries: Iterable[Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(entry for entry in entries if isinstance(entry, dict))
