"""Every way in which a server can tell us of an address, tried with every spelling of what is inside. A program.

Started in a network of its own (`tests.rig.inside.OWN_NETWORK`); prints what came of it as one line of JSON: what was
tried, at which URL, and to which addresses a packet went.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio

from reconciler.model.server import Server
from reconciler.sessions.listing import list_all
from reconciler.sessions.remote import open_remote
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import SignInRefused
from reconciler.sessions.sign_in.sign_ins import SignIns
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault
from tests.rig.evil_http import Behaviour, EvilHttp, Sse, answers, mcp, says
from tests.rig.inside import Inside
from tests.rig.spellings import ELSEWHERE, INSIDE, METADATA, NAMES, PRIVATE, SERVER, TRICKS
from tests.rig.tokens import ISSUER, RESOURCE, House, document, wants
from tests.sessions.remotes import Heard, no_secrets, remote

PORT = 80
HERE = f"http://{SERVER}"
PROGRAM = {"grant": "client_credentials", "clientId": "c", "clientSecret": "s3cret-s3cret", "issuer": HERE}
PATIENCE = 15
FEW = ("127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "localhost", "private.example")


@dataclass(frozen=True)
class Attack:
    """A server that tells of a URL, and what the file says of it."""

    place: str
    server: Callable[[str], Behaviour]
    hosts: tuple[str, ...]
    oauth: Any = True
    kind: Any = "http"
    scheme: str = "https"
    on: str = SERVER


def tells(told: dict[str, Any], challenge: str = "Bearer", **more: Any) -> Behaviour:
    """A server that wants a token, with these documents."""
    return wants(House(), mcp(), challenge, {**told, **more})


def protected(**more: Any) -> dict[str, Any]:
    return {f"{RESOURCE}/mcp": {"resource": f"{HERE}/mcp", "authorization_servers": [HERE], **more}}


def issuer(**more: Any) -> dict[str, Any]:
    pages = {"authorization_endpoint": f"https://{SERVER}/authorize", "registration_endpoint": f"{HERE}/register"}
    found = House().metadata(HERE, **pages)
    registered = document({"client_id": "us", "redirect_uris": ["http://127.0.0.1:7717/oauth/mcp/callback"]}, 201)
    return {ISSUER: {**found, **more}, "/register": registered}


def redirects(status: int, *paths: str) -> Callable[[str], Behaviour]:
    """A server at which these paths lead elsewhere."""

    def server(url: str) -> Behaviour:
        elsewhere = says(status, location=url)
        return tells({**protected(), **issuer(), **dict.fromkeys(paths, elsewhere)})

    return server


def others(url: str) -> Behaviour:
    """A server all of whose other addresses lead inside; it can be signed in to."""
    names = ("jwks_uri", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint", "op_policy_uri")
    more = dict.fromkeys((*names, "service_documentation", "op_tos_uri", "end_session_endpoint"), url)
    of_resource = dict.fromkeys(("jwks_uri", "resource_documentation", "resource_policy_uri", "resource_tos_uri"), url)
    house = House()
    told = {**protected(**of_resource), **issuer(**more), "/token": house}
    return wants(house, _pictures(url), "Bearer", told)


def challenges(url: str) -> Behaviour:
    """A server whose refusal names the URL."""
    return tells({}, f'Bearer resource_metadata="{url}"')


def wants_more(url: str) -> Behaviour:
    """A server that is signed in to, and has a tool that wants more and says so with the URL."""
    house = House()
    more = says(403, www_authenticate=f'Bearer error="insufficient_scope", scope="more", resource_metadata="{url}"')
    return wants(house, mcp(**{"tools/call": more}), "Bearer", {**protected(), **issuer(), "/token": house})


def _pictures(url: str) -> Behaviour:
    """A server all of whose texts and pictures lead inside."""
    icons = [{"src": url, "mimeType": "image/png"}]
    schema = {"type": "object", "$schema": url, "$ref": url, "properties": {"x": {"$ref": url}}}
    tool = {"name": "t", "title": url, "icons": icons, "inputSchema": schema, "outputSchema": schema}
    private = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    info = {"name": "pictures", "version": "1", "icons": icons, "websiteUrl": url}
    result = {"protocolVersion": "2025-11-25", "serverInfo": info, "capabilities": {"tools": {}, "resources": {}}}
    links = [{"type": "resource_link", "uri": url, "name": "x", "icons": icons}]
    return mcp(
        **{
            "initialize": answers(result),
            "tools/list": answers({"tools": [tool], **private}),
            "resources/list": answers({"resources": [{"uri": url, "name": "r", "icons": icons}], **private}),
            "tools/call": answers({"content": links, "structuredContent": {"$ref": url}}),
        }
    )


def _moved(status: int) -> Callable[[str], Behaviour]:
    return lambda url: says(status, location=url)


def attacks() -> Iterator[Attack]:
    """All of them."""
    hosts = (*INSIDE, *TRICKS, ELSEWHERE)
    for name, oauth in (("person", True), ("program", PROGRAM)):
        for scheme, chosen in (("https", hosts), ("http", (*FEW, ELSEWHERE))):

            def of(place: str, server: Callable[[str], Behaviour]) -> Attack:
                return Attack(f"{name}: {place}", server, chosen, oauth, scheme=scheme)  # noqa: B023

            yield of("resource_metadata", challenges)
            yield of("token_endpoint", lambda url: tells({**protected(), **issuer(token_endpoint=url)}))
            if oauth is True:
                yield of("registration", lambda url: tells({**protected(), **issuer(registration_endpoint=url)}))
                yield of("authorization_servers", lambda url: tells(protected(authorization_servers=[url])))
                yield of("issuer", lambda url: tells({**protected(), **issuer(issuer=url)}))
        for scheme in ("http", "https"):
            beside = (*METADATA, *PRIVATE, "private.example", "mixed.example", "rebind-loop.example")
            yield Attack(f"{name}: from loopback", challenges, beside, oauth, scheme=scheme, on="127.0.0.1")
        yield Attack(f"{name}: a tool that wants more", wants_more, FEW, oauth)
        yield Attack(f"{name}: every other field, and every picture", others, FEW, oauth)
        for status in (301, 302, 303, 307, 308):
            for path in (f"{RESOURCE}/mcp", ISSUER, "/token", "/register"):
                yield Attack(f"{name}: {status} of {path}", redirects(status, path), FEW, oauth)
    for status in (301, 302, 303, 307, 308):
        yield Attack(f"{status} of the server itself", _moved(status), FEW, False)
        yield Attack(f"{status} of an event stream", _moved(status), FEW, False, "sse")
    yield Attack("endpoint of an event stream", Sse, FEW, False, "sse")
    yield Attack("pictures", _pictures, FEW, False)


@contextmanager
def sign_ins() -> Iterator[SignIns]:
    with tempfile.TemporaryDirectory() as folder:
        yield SignIns(Vault(StateDir(Path(folder))), lambda: "http://127.0.0.1:7717", lambda server_id, forgotten: None)


async def attempt(attack: Attack, url: str) -> str:
    """What came of one attack."""
    server = remote(f"http://{attack.on}/mcp", attack.kind, oauth=attack.oauth)
    with sign_ins() as ours:
        async with EvilHttp(attack.server(url), PORT, host=attack.on):
            try:
                return await _used(server, ours)
            except SessionError as error:
                if error.code == "sign-in":
                    return await _signed_in(server, ours)
                return f"{error.code}: {error}"
            finally:
                await ours.close()


async def _used(server: Server, ours: SignIns) -> str:
    async with open_remote(server, no_secrets, Heard(), auth=ours.auth(server, no_secrets)) as session:
        await list_all(session, timeout=5)
        await session.request("tools/call", {"name": "t", "arguments": {"x": 1}}, timeout=5)
        return "served"


async def _signed_in(server: Server, ours: SignIns) -> str:
    """A person does as told; the code is exchanged."""
    url = ours.auth_url("there")
    if url is None:
        return "no page"
    try:
        await ours.finish(parse_qs(urlsplit(url).query)["state"][0], "code", None, None)
        return await _used(server, ours)
    except (SignInRefused, SessionError) as error:
        return f"{getattr(error, 'code', 'refused')}: {error}"


async def main() -> list[dict[str, Any]]:
    rows = []
    with Inside(NAMES) as inside:
        for attack in attacks():
            for host in attack.hosts:
                url = f"{attack.scheme}://{host}/x"
                inside.forget()
                with anyio.fail_after(PATIENCE):
                    outcome = await attempt(attack, url)
                rows.append({"place": attack.place, "url": url, "outcome": outcome, "packets": inside.heard()})
    return rows


if __name__ == "__main__":
    sys.stdout.write(json.dumps(anyio.run(main)))
