"""A browser without a window that came in to the page of an engine: it gets pages, fills forms in and sends them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, TypeAlias

import httpx2

from reconciler.engine.host import Host
from reconciler.gate.principal import Principal, Role

Pairs: TypeAlias = list[tuple[str, str]]

_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
_SENT_IF_CHECKED = ("checkbox", "radio")
_NEVER_SENT = ("submit", "button", "reset", "file")


@dataclass
class Element:
    """An element of a page; `inside` are texts and elements in their order."""

    tag: str
    attributes: Mapping[str, str]
    inside: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, as it was sent."""
        return "".join(each if isinstance(each, str) else each.text for each in self.inside)

    def all(self, tag: str = "", **attributes: str) -> Iterator[Element]:
        """The elements in it, in their order; `data_part` is `data-part`, `class_` is `class`."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        for each in self.inside:
            if isinstance(each, Element):
                if tag in ("", each.tag) and all(each.attributes.get(name) == value for name, value in wanted.items()):
                    yield each
                yield from each.all(tag, **attributes)

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        found = list(self.all(tag, **attributes))
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    def has(self, tag: str = "", **attributes: str) -> bool:
        """Whether there is such an element."""
        return any(True for _ in self.all(tag, **attributes))

    @property
    def fields(self) -> Pairs:
        """What a browser sends of a form when nobody touches it, without its buttons."""
        return [pair for each in self.all() for pair in _sent(each)]


def _sent(element: Element) -> Iterator[tuple[str, str]]:
    name, kind = element.attributes.get("name"), element.attributes.get("type", "text")
    if name is None or "disabled" in element.attributes:
        return
    match element.tag:
        case "input" if kind in _SENT_IF_CHECKED:
            if "checked" in element.attributes:
                yield name, element.attributes.get("value", "on")
        case "input" if kind not in _NEVER_SENT:
            yield name, element.attributes.get("value", "")
        case "textarea":
            yield name, element.text.removeprefix("\n")
        case "select":
            options = list(element.all("option"))
            chosen = [one for one in options if "selected" in one.attributes] or options[:1]
            yield from ((name, one.attributes.get("value", one.text)) for one in chosen)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(made)
        if tag not in _VOID:
            self._open.append(made)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> ends <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)


class Shown(Element):
    """A page that came back; `html` is its text, `path` where the browser is now."""

    def __init__(self, answer: httpx2.Response) -> None:
        reader = _Reader()
        reader.feed(answer.text)
        super().__init__("", {}, reader.root.inside)
        self.status, self.html, self.path = answer.status_code, answer.text, answer.url.path
        self.headers = answer.headers

    def form(self, action: str) -> Element:
        """The form that is sent to an address ending so."""
        found = [each for each in self.all("form") if each.attributes.get("action", "").endswith(action)]
        assert len(found) == 1, f"{len(found)} forms to {action}"
        return found[0]


class Visitor:
    """Somebody who looks at the page. Paths are below `/ui`; each answer is what a browser shows in the end."""

    def __init__(self, client: httpx2.AsyncClient, form_token: str, base: str) -> None:
        self.client = client
        self.form_token = form_token
        self.base = base

    async def page(self, path: str) -> Shown:
        """The page at an address."""
        return Shown(await self.client.get(self._at(path)))

    async def send(self, path: str, form: Mapping[str, Any] | Pairs | None = None, /, **fields: Any) -> Shown:
        """Send a form with these fields, those of `form` first; a list is a name with several values."""
        given = list(form.items() if isinstance(form, Mapping) else form or [])
        pairs = [pair for name, value in [*given, *fields.items()] for pair in _pairs(name, value)]
        if all(name != "form_token" for name, _ in pairs):
            pairs.append(("form_token", self.form_token))
        body: dict[str, list[str]] = {}
        for name, value in pairs:
            body.setdefault(name, []).append(value)
        return Shown(await self.client.post(self._at(path), data=body, headers={"origin": self._origin}))

    async def upload(self, path: str, name: str, data: bytes, /, **fields: str) -> Shown:
        """Send a form with these fields and a file."""
        files = {"file": (name, data, "application/json")}
        fields = {"form_token": self.form_token, **fields}
        sent = await self.client.post(self._at(path), data=fields, files=files, headers={"origin": self._origin})
        return Shown(sent)

    async def press(self, shown: Element, action: str, button: tuple[str, str] | None = None, /, **typed: Any) -> Shown:
        """Send a form of a page as it came, but for what is `typed` into it, by one of its buttons."""
        form = next(each for each in shown.all("form") if each.attributes["action"].endswith(action))
        kept = [(name, value) for name, value in form.fields if name not in typed]
        return await self.send(form.attributes["action"], [*kept, *([button] if button else [])], **typed)

    def _at(self, path: str) -> str:
        return path if path.startswith(f"{self.base}/") else f"{self.base}/{path.lstrip('/')}"

    @property
    def _origin(self) -> str:
        return str(self.client.base_url).rstrip("/")


def _pairs(name: str, value: Any) -> Pairs:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return [(name, str(each)) for each in values]


@asynccontextmanager
async def visiting(host: Host, role: Role = "operator", *, project: str = "") -> AsyncIterator[Visitor]:
    """Come in to the page of an engine that listens (`tests.faces.cli.hosted`), by a link of its own."""
    word = host.visits.link(Principal("visitor", role))
    async with httpx2.AsyncClient(base_url=host.facts.url or "", follow_redirects=True, timeout=30) as client:
        entered = await client.get("/ui/enter", params={"word": word})
        assert entered.status_code == 200, entered.text
        base = f"/p/{project}/ui" if project else "/ui"
        shown = Shown(await client.get(f"{base}/"))
        yield Visitor(client, shown.form("/ui/leave").fields[0][1], base)
