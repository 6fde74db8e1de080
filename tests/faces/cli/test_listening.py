"""Where the engine listens: what may be asked for, what is refused, and what is remembered."""

from __future__ import annotations

import asyncio
import datetime
import importlib.util
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.client import Client
from reconciler.faces.cli import listeners
from reconciler.faces.cli.engine import new_loop
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.listening import Listening
from reconciler.faces.http.address import Address, bind, read_address
from reconciler.faces.http.guard import PlainGuard
from reconciler.faces.http.listener import parser
from tests.faces.cli.desk import Desk, light
from tests.faces.cli.hosted import hosted
from tests.faces.http.raw import Line
from tests.faces.http.sockets import refusal
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:listener"), pytest.mark.anyio]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7717", Address("127.0.0.1", 7717)),
        ("7717", Address("127.0.0.1", 7717)),
        ("localhost:0", Address("127.0.0.1", 0)),
        ("[::1]:65535", Address("::1", 65535)),
        (" 0.0.0.0:80 ", Address("0.0.0.0", 80)),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, address: Address) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", ":", ":80", "::1", "::1:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "[::1]", "a b:1"],
)
def test_what_is_no_address_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(Stop) as refused:
        Listening(text)
    assert (refused.value.exit_code, "--listen 127.0.0.1:7717" in (refused.value.hint or "")) == (Exit.USAGE, True)


def test_a_name_is_no_address() -> None:
    with pytest.raises(Stop, match="is not an IP address"):
        Listening("example.com:80")


@pytest.mark.parametrize("open_to_all", ["0.0.0.0:7717", "[::]:7717", "192.0.2.1:0", "[2001:db8::1]:80"])
def test_other_machines_are_let_in_only_with_tls_or_when_it_is_said(open_to_all: str) -> None:
    with pytest.raises(Stop, match="can be reached from other machines") as refused:
        Listening(open_to_all)
    assert "--listen-insecure-ok" in (refused.value.hint or "")
    assert Listening(open_to_all, insecure_ok=True).address
    assert Listening(open_to_all, certificate=Path("c"), key=Path("k")).address


@pytest.mark.parametrize(
    "said",
    [
        {"public_url": "mcp.example.com"},
        {"public_url": "ftp://mcp.example.com"},
        {"public_url": "https://mcp.example.com/below"},
        {"public_url": "https://mcp.example.com?x"},
        {"public_url": "https://mcp.example.com#x"},
        {"public_url": "https://user@mcp.example.com"},
        {"public_url": "https://"},
        {"public_url": "https://[::1"},
        {"public_url": "https://mcp.example.com:99999"},
        {"hosts": ("a b",)},
        {"hosts": ("box:80",)},
        {"hosts": ("",)},
        {"hosts": ("*.example.com",)},
        {"certificate": Path("c")},
        {"key": Path("k")},
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(said: dict[str, Any]) -> None:
    with pytest.raises(Stop) as refused:
        Listening(**said)
    assert refused.value.exit_code == Exit.USAGE


def test_what_was_said_is_handed_on_to_an_engine_in_the_background() -> None:
    said = Listening("0.0.0.0:1", "https://a.example", ("b", "c"), True, Path("/c.pem"), Path("/k.pem"), True)
    assert said.arguments == [
        *("--listen", "0.0.0.0:1", "--public-url", "https://a.example", "--allow-host", "b", "--allow-host", "c"),
        *("--tls-cert", "/c.pem", "--tls-key", "/k.pem", "--listen-insecure-ok", "--read-only"),
    ]
    assert Listening().arguments == []


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Address:
    """A free port that counts as the usual one."""
    bound, address = bind(Address("127.0.0.1", 0))
    bound.close()
    monkeypatch.setattr(listeners, "DEFAULT_PORT", address.port)
    return address


async def test_the_usual_port_is_taken_where_it_is_free(tmp_path: Path, usual: Address) -> None:
    async with hosted(tmp_path, listening=Listening()) as engine:
        assert engine.address == usual
        facts = engine.state.engine()
        assert facts is not None
        assert facts["url"] == usual.url()
        status = await engine.ask("GET", "/api/v1/status", "viewer")
        assert status.json["engine"]["url"] == usual.url()
        assert (await asyncio.to_thread(Client(engine.state.socket).hello))["url"] == usual.url()
        assert not engine.state.port_file.exists()


async def test_where_it_is_taken_a_free_one_is_and_stays_that_of_the_project(tmp_path: Path, usual: Address) -> None:
    with closing(bind(usual)[0]):
        async with hosted(tmp_path, listening=Listening()) as engine:
            mine = engine.address
            assert mine.port != usual.port
            await engine.host.root.events.flush()
            said = [row["message"] for row in await engine.host.root.records.events(0, 10, None)]
            assert any(f"port {usual.port} is taken" in message and mine.url() in message for message in said)
        async with hosted(tmp_path, listening=Listening()) as again:
            assert again.address == mine
    async with hosted(tmp_path, listening=Listening()) as later:
        assert later.address == mine, "its clients know it by that"
    with closing(bind(mine)[0]):
        async with hosted(tmp_path, listening=Listening()) as moved:
            assert moved.address == usual


@pytest.mark.parametrize("remembered", ["", "x", "0", "-1", "70000", "\xff"])
async def test_a_damaged_memory_of_the_port_is_none(tmp_path: Path, usual: Address, remembered: str) -> None:
    async with hosted(tmp_path, listening=Listening("none")) as engine:
        engine.state.port_file.write_text(remembered, encoding="latin-1")
    async with hosted(tmp_path, listening=Listening()) as engine:
        assert engine.address == usual


async def test_an_address_that_was_named_and_is_taken_is_an_error(tmp_path: Path) -> None:
    held, address = bind(Address("127.0.0.1", 0))
    with closing(held), pytest.raises(Stop, match=f"port {address.port}: ") as refused:
        async with hosted(tmp_path, listening=Listening(f"127.0.0.1:{address.port}")):
            pass
    assert "--listen 127.0.0.1:0" in (refused.value.hint or "")


async def test_with_none_there_is_the_local_socket_alone(tmp_path: Path) -> None:
    async with hosted(tmp_path, listening=Listening("none")) as engine:
        assert engine.host.facts.url is None
        assert (await asyncio.to_thread(Client(engine.state.socket).hello))["url"] is None


@pytest.mark.parametrize("there", [True, False])
async def test_it_runs_on_what_is_installed(tmp_path: Path, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: find(name, *more) if there else None)
    loop = new_loop()
    assert (type(loop).__module__.partition(".")[0], issubclass(parser(), PlainGuard)) == (
        ("uvloop", False) if there else ("asyncio", True)
    )
    loop.close()
    async with hosted(tmp_path) as engine:
        assert (await engine.ask("GET", "/api/v1/hello", "viewer")).status == 200


async def test_what_arrives_is_sent_on_at_once(tmp_path: Path) -> None:
    bound, _ = bind(Address("127.0.0.1", 0))
    with closing(bound):
        assert bound.proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY on these alone"


async def test_the_public_url_is_the_url_and_its_host_is_ours(tmp_path: Path) -> None:
    said = Listening("127.0.0.1:0", public_url="https://mcp.example.com/", hosts=("box",))
    async with hosted(tmp_path, listening=said) as engine:
        assert engine.host.facts.url == "https://mcp.example.com"


async def test_the_address_that_was_named_is_a_name_of_the_engine(tmp_path: Path) -> None:
    async with hosted(tmp_path, listening=Listening("127.0.0.2:0")) as engine:
        mine = str(engine.host.facts.url).removeprefix("http://")
        assert mine.startswith("127.0.0.2:")
        for host, status in ((mine, 200), ("localhost", 200), ("127.0.0.3", 421)):
            assert (await engine.ask("GET", "/api/v1/hello", "viewer", host=host)).status == status


def test_an_address_for_everybody_is_no_name() -> None:
    assert Listening("0.0.0.0:80", insecure_ok=True).names == ("127.0.0.1",)
    assert Listening("[::]:80", None, ("box",), True).names == ("box", "[::1]")


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    yield files


async def test_with_a_certificate_it_speaks_tls_and_nothing_else(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    async with hosted(tmp_path, listening=Listening("127.0.0.1:0", None, (), False, *certificate)) as engine:
        assert engine.host.facts.url is not None
        assert engine.host.facts.url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=certificate[0])
        opened = await asyncio.open_connection("127.0.0.1", engine.address.port, ssl=trust)
        one = Line(*opened)
        await one.say(engine.request("GET", "/api/v1/hello", "viewer"))
        assert (await one.hear()).json["url"] == engine.host.facts.url
        one.close()
        headers = {"Authorization": f"Bearer {engine.token('editor')}"}
        status, _ = await refusal(engine.address, "/desk/nobody", scheme="wss", ssl=trust, additional_headers=headers)
        assert status == 404
        plain = Line(*await asyncio.open_connection("127.0.0.1", engine.address.port))
        await plain.say(engine.request("GET", "/healthz"))
        assert await plain.end() == b""
        plain.close()


@pytest.mark.parametrize("files", [("missing.pem", "missing.pem"), ("key.pem", "certificate.pem")])
async def test_files_that_are_no_certificate_are_named(
    tmp_path: Path, certificate: tuple[Path, Path], files: tuple[str, str]
) -> None:
    said = Listening("127.0.0.1:0", None, (), False, tmp_path / files[0], tmp_path / files[1])
    with pytest.raises(Stop, match="TLS cannot be set up") as refused:
        async with hosted(tmp_path, listening=said):
            pass
    assert "--tls-cert" in (refused.value.hint or "")


def test_apply_starts_an_engine_that_listens_where_it_was_told_and_says_where(desk: Desk) -> None:
    desk.write({"one": light("one")})
    bound, address = bind(Address("127.0.0.1", 0))
    bound.close()
    try:
        done = desk.process("apply", "--auto-approve", "--listen", f"127.0.0.1:{address.port}", "--allow-host", "box")
        assert (done.exit, f"clients connect to {address.url()}/mcp" in done.err) == (0, True)
        assert desk.run("status", "-o", "json").json["engine"]["url"] == address.url()
        assert address.url() in desk.run("status").out
        desk.write({"one": light("one", name="One")})
        again = desk.process("apply", "--auto-approve", "--listen", "none")
        assert f"note: the engine runs already, and listens on {address.url()}" in again.err
        with socket.create_connection((address.host, address.port)) as line:
            line.sendall(b"GET /healthz HTTP/1.0\r\nHost: box:1\r\n\r\n")
            assert line.recv(15).startswith(b"HTTP/1.1 200")
    finally:
        assert desk.process("stop").exit == 0


def test_an_engine_in_the_background_that_cannot_listen_says_why(desk: Desk) -> None:
    desk.write({})
    held, address = bind(Address("127.0.0.1", 0))
    with closing(held):
        done = desk.process("watch", "--detach", "--listen", f"127.0.0.1:{address.port}")
    assert done.exit == 1
    assert f"cannot listen on 127.0.0.1 port {address.port}" in done.err


@pytest.mark.parametrize("command", ["watch", "apply", "rollback"])
def test_what_cannot_be_meant_is_said_before_anything_starts(desk: Desk, command: str) -> None:
    desk.write({"one": light("one")})
    for arguments in (("--listen", "0.0.0.0:0"), ("--listen", "x"), ("--tls-key", "k.pem"), ("--public-url", "x")):
        done = desk.run(command, *arguments)
        assert (done.exit, done.out) == (64, "")
    assert not (desk.folder.parent / "state").exists()


def test_the_environment_says_where_to_listen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_LISTEN", "0.0.0.0:0")
    desk.write({})
    assert "can be reached from other machines" in desk.run("watch").err
    monkeypatch.setenv("RECONCILER_LISTEN", "none")
    monkeypatch.setenv("RECONCILER_READ_ONLY", "1")
    with desk.applied({"one": light("one")}):
        engine = json.loads(desk.run("status", "-o", "json").out)["engine"]
        assert (engine["url"], engine["readOnly"]) == (None, True)
