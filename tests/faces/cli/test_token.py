"""`reconciler token`, and what is said of tokens elsewhere."""

from __future__ import annotations

import http.client
import json
import os
import pty
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.faces.cli.paste import paste_lines
from reconciler.store.state_dir import StateDir, base_directory
from reconciler.store.tokens import create_token
from tests.faces.cli.desk import Desk, Done, light
from tests.faces.cli.test_watch import watching
from tests.requirements import requirement

pytestmark = requirement("GATE-1:tokens")
TOKEN = re.compile(r"rcl_[A-Za-z0-9_-]{43}")


def created(desk: Desk, role: str, *more: str) -> str:
    done = desk.run("token", "create", "--role", role, *more)
    assert done.exit == 0, done.err
    text = done.out.strip()
    assert TOKEN.fullmatch(text)
    assert text not in done.err
    return text


def listed(desk: Desk) -> dict[str, str]:
    done = desk.run("token", "list", "-o", "json")
    assert not TOKEN.search(done.out)
    assert all(set(row) == {"name", "role", "createdAt"} for row in done.json["tokens"])
    return {row["name"]: row["role"] for row in done.json["tokens"]}


def test_without_an_engine_tokens_are_made_listed_shown_and_taken_back(desk: Desk) -> None:
    desk.write({})
    assert desk.run("token", "list").err == "there are no tokens yet: the first start makes two\n"
    created(desk, "viewer", "--name", "mine")
    assert listed(desk) == {"client": "client", "mine": "viewer", "operator": "operator"}
    created(desk, "editor")
    assert [role for name, role in listed(desk).items() if name.startswith("editor-")] == ["editor"]
    shown = desk.run("token", "show", "--role", "client")
    assert TOKEN.fullmatch(shown.out.strip())
    assert desk.run("token", "show", "--role", "client", "-o", "json").json["token"] == shown.out.strip()
    assert desk.run("token", "revoke", "mine").err == "the token mine (viewer) is taken back\n"
    assert "mine" not in listed(desk)
    assert desk.run("token", "revoke", "client").exit == 0
    gone = desk.run("token", "show", "--role", "client")
    assert (gone.exit, gone.out, "`reconciler token create --role client`" in gone.err) == (1, "", True)


def test_the_list_says_when_a_token_ends_and_leaves_out_those_that_ended(desk: Desk) -> None:
    desk.write({})
    created(desk, "viewer")
    assert "EXPIRES" not in desk.run("token", "list").out
    [kept] = (desk.folder.parent / "state").glob("*/tokens.json")
    create_token(StateDir(kept.parent), "viewer", "short", datetime(2999, 1, 2, tzinfo=UTC))
    create_token(StateDir(kept.parent), "viewer", "over", datetime(2000, 1, 2, tzinfo=UTC))
    lines = desk.run("token", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "ROLE", "CREATED", "EXPIRES"]
    assert [line.split()[-1] for line in lines if line.startswith("short ")] == ["2999-01-02T00:00:00+00:00"]
    rows = {row["name"]: row for row in desk.run("token", "list", "-o", "json").json["tokens"]}
    assert rows["short"]["expiresAt"] == "2999-01-02T00:00:00+00:00" and "over" not in rows


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["create"], 64, "`create` needs --role"),
        (["show"], 64, "`show` needs --role"),
        (["show", "--role", "viewer"], 64, "--role must be one of client, operator"),
        (["create", "--role", "owner"], 64, "owner"),
        (["create", "--role", "viewer", "name"], 64, "takes no NAME"),
        (["create", "--role", "viewer", "--name", "a b"], 64, "a name has letters"),
        (["create", "--role", "viewer", "--name", "owner"], 64, "without a token"),
        (["create", "--role", "viewer", "--name", "client"], 64, "already"),
        (["revoke"], 64, "needs the NAME"),
        (["revoke", "x", "--role", "viewer"], 64, "takes no --role"),
        (["revoke", "x"], 1, 'no token is called "x"'),
        (["list", "--name", "x"], 64, "takes no --name"),
        (["steal"], 64, "steal"),
    ],
)
def test_what_does_not_belong_together_is_said(desk: Desk, arguments: list[str], exit_code: int, said: str) -> None:
    desk.write({})
    done = desk.run("token", *arguments)
    assert (done.exit, done.out) == (exit_code, "")
    assert said in done.err


def test_a_damaged_file_is_named_with_the_way_out(desk: Desk) -> None:
    desk.write({})
    created(desk, "viewer")
    [kept] = (desk.folder.parent / "state").glob("*/tokens.json")
    kept.write_text("{", encoding="utf-8")
    for arguments in (["list"], ["show", "--role", "client"], ["create", "--role", "viewer"], ["revoke", "client"]):
        done = desk.run("token", *arguments)
        assert (done.exit, f"delete {kept}" in done.err) == (1, True)


def answer(desk: Desk, token: str) -> int:
    """The HTTP status that the running engine answers to this token."""
    url = desk.run("status", "-o", "json").json["engine"]["url"]
    asked = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    asked.request("GET", "/api/v1/status", headers={"Authorization": f"Bearer {token}"})
    status = asked.getresponse().status
    asked.close()
    return status


def test_a_running_engine_takes_a_new_token_and_refuses_a_revoked_one_at_once(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        token = created(desk, "viewer", "--name", "mine")
        assert answer(desk, token) == 200
        assert answer(desk, desk.run("token", "show", "--role", "client").out.strip()) == 200
        assert desk.run("token", "revoke", "mine").exit == 0
        assert answer(desk, token) == 401


def test_no_token_is_written_anywhere_but_where_it_is_shown_from(desk: Desk) -> None:
    with desk.applied({"one": light("one")}) as done:
        tokens = [
            created(desk, "viewer"),
            *(desk.run("token", "show", "--role", r).out.strip() for r in ("client", "operator")),
        ]
        assert [answer(desk, token) for token in tokens] == [200, 200, 200]
        assert answer(desk, tokens[0] + "x") == 401
        told: list[Done] = [
            done,
            *(
                desk.run(*command.split())
                for command in ("status -o json", "events", "doctor", "token list", "logs one")
            ),
        ]
        texts = [each.out + each.err for each in told]
        texts += [
            path.read_bytes().decode("latin-1")
            for path in (desk.folder.parent / "state").rglob("*")
            if path.is_file() and path.name != "local-tokens.json"
        ]
        for token in tokens:
            secret = token.removeprefix("rcl_")
            assert not [text for text in texts if secret in text or secret[:16] in text]


def test_watch_says_what_to_paste_and_keeps_the_token_from_pipes(desk: Desk) -> None:
    desk.write({})
    with watching(desk) as watch:
        line = watch.until("clients connect to")
        assert "`reconciler token show --role client` prints the token" in line
        pasted = json.loads(watch.until("paste into a client: ").partition(": ")[2])
        bridge = json.loads(watch.until("stdio: ").partition(": ")[2])
        url = desk.run("status", "-o", "json").json["engine"]["url"]
    entry = pasted["mcpServers"]["reconciler"]
    assert entry == {"type": "http", "url": f"{url}/mcp", "headers": {"Authorization": "Bearer <token>"}}
    state = str(desk.folder.parent / "state")
    arguments = ["bridge", "-f", str(desk.file), "--state-dir", state]
    assert bridge["mcpServers"]["reconciler"] == {"command": "reconciler", "args": arguments}


def test_a_person_at_a_terminal_is_shown_the_token(desk: Desk) -> None:
    desk.write({})
    person, terminal = pty.openpty()
    with desk.spawn("watch", stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        said = b""
        while b"stdio" not in said:
            said += os.read(person, 65536)
        process.terminate()
        process.wait(20)
    os.close(person)
    shown = desk.run("token", "show", "--role", "client").out.strip()
    assert f"Bearer {shown}".encode() in said


def test_an_engine_that_listens_nowhere_is_reached_by_the_bridge() -> None:
    [line] = paste_lines(None, Path("/x/reconciler.yaml"), base_directory(None), None)
    assert json.loads(line.partition(": ")[2])["mcpServers"]["reconciler"]["args"] == [
        "bridge",
        "-f",
        "/x/reconciler.yaml",
    ]
