"""`reconciler export`: a file for its owner alone, which only the passphrase opens."""

from __future__ import annotations

import os
import pty
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.explorer import to_servers
from reconciler.store import explorer_file
from reconciler.store.portable import open_servers
from tests.canary import CANARY
from tests.faces.cli.desk import SECONDS, Desk, Done, light
from tests.requirements import requirement

pytestmark = requirement("PAGE-2:command-line")

PASSPHRASE = "tall ships in a bottle"
SERVERS: dict[str, Any] = {
    "far": {"url": "http://127.0.0.1:9/mcp", "headers": {"K": "${secret:far}"}},
    "near": {"command": "/bin/false", "env": {"A": "${secret:near}", "B": "${env:NOT_SET}"}},
}


@pytest.fixture
def passphrase(desk: Desk) -> str:
    """A file with the passphrase."""
    (desk.folder / "passphrase").write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    return "passphrase"


def store(desk: Desk, name: str, value: str) -> None:
    (desk.folder / "value.env").write_text(value, encoding="utf-8")
    assert desk.run("secret", "set", name, "--from-file", "value.env").exit == 0


def opened(desk: Desk, name: str = "out.json") -> Any:
    return open_servers((desk.folder / name).read_bytes(), PASSPHRASE).payload


def answered(desk: Desk, answers: Sequence[str], *arguments: str) -> Done:
    """A command at a terminal, where somebody answers each question as it is asked."""
    person, terminal = pty.openpty()
    said, rest = b"", list(answers)
    try:
        with desk.spawn(*arguments, stdin=terminal, stderr=terminal) as process:
            os.close(terminal)
            while piece := _read(person):
                said += piece
                if rest and piece.rstrip().endswith(b":"):
                    os.write(person, rest.pop(0).encode() + b"\n")
            out = process.communicate(timeout=SECONDS)[0]
    finally:
        os.close(person)
    assert rest == []
    return Done(process.returncode, out, said.decode())


def _read(person: int) -> bytes:
    try:
        return os.read(person, 65536)
    except OSError:  # Linux: EIO at the end
        return b""


def test_an_export_has_the_servers_and_their_stored_secrets(desk: Desk, passphrase: str) -> None:
    desk.write(SERVERS)
    store(desk, "far", CANARY)
    done = desk.run("export", "out.json", "--passphrase-file", passphrase)
    assert (done.exit, done.out) == (0, "")
    assert done.err == (
        "note: the secret near is not stored here, and so not in the file\n"
        "wrote 2 servers into out.json; only the passphrase opens it\n"
    )
    assert opened(desk) == {"servers": SERVERS, "groups": {}, "secrets": {"far": CANARY}}
    assert stat.S_IMODE((desk.folder / "out.json").stat().st_mode) == 0o600
    assert list(desk.folder.glob(".out.json*")) == []


def test_an_engine_answers_the_same(desk: Desk, passphrase: str) -> None:
    with desk.applied({"near": light("near", env={"A": "${secret:near}"})}):
        store(desk, "near", CANARY)
        done = desk.run("export", "out.json", "--passphrase-file", passphrase, "-o", "json")
        assert done.json == {
            "out": "out.json",
            "format": "reconciler",
            "servers": ["near"],
            "missing": [],
            "leftOut": [],
        }
        assert opened(desk)["secrets"] == {"near": CANARY}
        unknown = desk.run("export", "other.json", "--passphrase-file", passphrase, "--names", "nearr", "-o", "json")
        assert (unknown.exit, unknown.json["error"]["code"]) == (64, "nothing-to-export")
        desk.file.write_text("mcpServers: [", encoding="utf-8")
        assert desk.run("export", "other.json", "--passphrase-file", passphrase).exit == 3
    assert not (desk.folder / "other.json").exists()


def test_names_choose_and_what_is_not_there_is_said(desk: Desk, passphrase: str) -> None:
    desk.write(SERVERS)
    arguments = ("export", "out.json", "--passphrase-file", passphrase, "--names")
    wrong = desk.run(*arguments, "far,naer")
    assert (wrong.exit, wrong.err) == (64, 'error: there is no server "naer"\n       did you mean "near"?\n')
    assert desk.run(*arguments, " , ").exit == 64
    assert not (desk.folder / "out.json").exists()
    assert desk.run(*arguments, "far, ").exit == 0
    assert list(opened(desk)["servers"]) == ["far"]


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(desk: Desk, passphrase: str) -> None:
    desk.write(SERVERS)
    out, elsewhere = desk.folder / "out.json", desk.folder / "elsewhere"
    out.write_text("mine", encoding="utf-8")
    arguments = ("export", "out.json", "--passphrase-file", passphrase)
    refused = desk.run(*arguments, "-o", "json")
    assert (refused.exit, refused.json["error"]["code"], out.read_text()) == (4, "file-exists", "mine")
    assert desk.run(*arguments, "--force").exit == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    out.unlink()
    out.symlink_to(elsewhere)
    assert desk.run(*arguments).exit == 4
    assert desk.run(*arguments, "--force").exit == 1
    assert not elsewhere.exists()
    missing = desk.run("export", "no/where.json", "--passphrase-file", passphrase)
    assert (missing.exit, missing.err.splitlines()[0]) == (1, "error: there is no directory no")


def test_a_broken_file_and_none_are_refused(desk: Desk, passphrase: str) -> None:
    assert desk.run("export", "out.json", "--passphrase-file", passphrase).exit == 3
    desk.file.write_text("mcpServers: [", encoding="utf-8")
    done = desk.run("export", "out.json", "--passphrase-file", passphrase, "-o", "json")
    assert (done.exit, done.json["problems"][0]["code"]) == (3, "yaml-syntax")
    desk.write({})
    assert desk.run("export", "out.json", "--passphrase-file", passphrase).exit == 64
    assert not (desk.folder / "out.json").exists()


@requirement("PAGE-2:explorer-file")
def test_mcp_explorer_gets_its_own_format_and_what_has_no_place_is_named(desk: Desk, passphrase: str) -> None:
    desk.write(SERVERS)
    store(desk, "far", CANARY)
    done = desk.run("export", "out.json", "--passphrase-file", passphrase, "--format", "mcp-explorer")
    assert done.err.splitlines()[0] == "left out: near: MCP Explorer cannot have a program"
    assert done.err.splitlines()[-1].startswith("wrote 1 server into")
    connections = explorer_file.unseal((desk.folder / "out.json").read_bytes(), PASSPHRASE)
    assert to_servers(connections).servers["far"]["headers"] == {"K": CANARY}
    done = desk.run("export", "b.json", "--passphrase-file", passphrase, "--format", "mcp-explorer", "--names", "near")
    assert done.exit == 64


# The passphrase


def test_a_passphrase_is_typed_twice_and_not_shown(desk: Desk) -> None:
    desk.write({"far": SERVERS["far"]})
    done = answered(desk, [PASSPHRASE, PASSPHRASE], "export", "out.json")
    assert (done.exit, done.out) == (0, ""), done.err
    assert PASSPHRASE not in done.err
    assert list(opened(desk)["servers"]) == ["far"]
    other = answered(desk, [PASSPHRASE, PASSPHRASE + "s"], "export", "other.json")
    assert other.exit == 64 and "the two passphrases differ" in other.err
    weak = answered(desk, ["123456789012"], "export", "other.json")
    assert weak.exit == 64 and "follows a simple pattern" in weak.err
    assert not (desk.folder / "other.json").exists()


def test_a_passphrase_is_no_argument_and_is_not_read_from_a_pipe(desk: Desk) -> None:
    desk.write(SERVERS)
    done = desk.run("export", "out.json", "-o", "json")
    assert (done.exit, done.json["error"]["code"]) == (64, "no-passphrase")
    assert desk.run("export", "out.json", "--passphrase", PASSPHRASE).exit == 64


@pytest.mark.parametrize(
    ("data", "exit", "code"),
    [
        (b"short\n", 64, "weak-passphrase"),
        (b"caf\xe9 in the old harbour", 64, "bad-value"),
        (b"a quick fox " * 400, 64, "bad-value"),
        (PASSPHRASE.encode() + b"\r\n", 0, None),
        (PASSPHRASE.encode(), 0, None),
    ],
)
def test_a_passphrase_of_a_file_is_its_line(desk: Desk, data: bytes, exit: int, code: str | None) -> None:
    desk.write(SERVERS)
    (desk.folder / "given").write_bytes(data)
    done = desk.run("export", "out.json", "--passphrase-file", "given", "-o", "json")
    assert done.exit == exit
    assert done.json["error"]["code"] == code if code else opened(desk)["servers"] == SERVERS


def test_a_passphrase_file_that_is_not_there_is_said(desk: Desk) -> None:
    desk.write(SERVERS)
    done = desk.run("export", "out.json", "--passphrase-file", str(Path("nowhere")))
    assert (done.exit, done.err) == (1, "error: nowhere: No such file or directory\n")
