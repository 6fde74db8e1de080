"""The one door to the file: exactly the patch, in the text and in what is accepted, and nothing else of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.change import Consent, apply_file
from reconciler.engine.door import ChangeRefused, change
from reconciler.gate.principal import Principal
from reconciler.store.files import text_digest
from reconciler.store.places import Sources
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

ME = Principal("me", "operator")

pytestmark = [pytest.mark.anyio, requirement("GATE-2:grants")]

PATCH: dict[str, Any] = {"mcpServers": {"a": {"tools": {"echo": {"requireApproval": False}}}}}


def accepted(at: Desk, server: str = "a") -> Any:
    return at.project.ledger.document.servers[server]


async def refusal(at: Desk, patch: dict[str, Any] = PATCH, if_match: str | None = None) -> tuple[str, str]:
    before, text = at.project.ledger.accepted, at.file.read_bytes()
    with pytest.raises(ChangeRefused) as refused:
        await change(at.project, patch, if_match=if_match, principal=ME)
    assert (at.project.ledger.accepted, at.file.read_bytes()) == (before, text)
    return refused.value.code, str(refused.value)


async def test_a_patch_is_in_the_text_and_accepted_and_touches_no_session(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        at.file.write_text("# mine\n" + yaml(at) + "    # the end\n", encoding="utf-8")
        await at.apply()
        pid, text = at.row("a")["pid"], at.file.read_text(encoding="utf-8")
        applied = (await change(at.project, PATCH, if_match=None, principal=ME)).applied
        assert [(o.server, o.action, o.status) for o in applied.outcomes] == [("a", "update", "applied")]
        added = "    tools:\n      echo:\n        requireApproval: false\n"
        assert at.file.read_text(encoding="utf-8").replace(added, "") == text
        assert accepted(at)["tools"] == {"echo": {"requireApproval": False}}
        assert at.row("a")["pid"] == pid
        assert (await at.plan()).actions == ()
        (last, *_) = await at.project.records.history()
        assert (last["who"], last["serial"]) == ("me", applied.serial)


def yaml(at: Desk) -> str:
    words = "".join(f"      - {word}\n" for word in light("a")["args"])
    return f"version: 1\nmcpServers:\n  a:\n    command: {light('a')['command']}\n    args:\n{words}"


async def test_other_edits_stay_what_they_were_and_what_waits_goes_on_waiting(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        at.write({"a": light("a", "--mark", "2"), "c": light("c")})
        await at.apply(yes=False)
        waiting = [(pending.server, pending.key) for pending in at.project.waiting.all]
        assert [server for server, _ in waiting] == ["a", "c"]
        pid = at.row("a")["pid"]
        await change(at.project, PATCH, if_match=None, principal=ME)
        assert [(pending.server, pending.key) for pending in at.project.waiting.all] == waiting
        assert (accepted(at)["args"], at.row("a")["pid"]) == (light("a")["args"], pid)
        assert "c" not in at.project.ledger.document.servers
        assert "a" in {action.server for action in (await at.plan()).actions}


async def test_a_server_that_is_down_is_not_repaired_by_the_way(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": {"command": "false"}}) as at:
        await at.apply()
        applied = (await change(at.project, PATCH, if_match=None, principal=ME)).applied
        assert [outcome.server for outcome in applied.outcomes] == ["a"]


async def test_a_file_that_is_broken_stays_as_it_is(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        at.file.write_text("mcpServers: [", encoding="utf-8")
        assert (await refusal(at))[0] == "invalid"


async def test_a_file_that_is_not_believed_stays_as_it_is(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        at.project.followed.held = "it shrank"
        assert await refusal(at) == ("held", "the file is not believed: it shrank")


async def test_a_change_that_would_make_the_file_wrong_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        code, said = await refusal(at, {"mcpServers": {"a": {"timeouts": {"call": "soon"}}}})
        assert (code, "would have errors" in said) == ("invalid", True)


async def test_a_change_made_for_another_text_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        assert (await refusal(at, if_match="sha256:0"))[0] == "stale"
        now = text_digest(at.file.read_bytes())
        await change(at.project, PATCH, if_match=now, principal=ME)
        assert (await refusal(at, if_match=now))[0] == "stale"


async def test_a_file_that_cannot_be_written_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()

        def no_room(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("reconciler.engine.rewrite.write_whole", no_room)
        code, said = await refusal(at)
        assert (code, "No space left on device" in said) == ("read-only", True)
        monkeypatch.setattr("os.access", lambda *_: False)
        assert (await refusal(at))[0] == "read-only"


async def over(at: Desk, text: str) -> Path:
    """An overlay over the file, applied."""
    path = at.folder / "over.yaml"
    path.write_text(f"version: 1\n{text}\n", encoding="utf-8")
    at.project.sources = Sources(at.file, (path,), at.folder)
    await apply_file(at.project, Consent("test", None), lambda _: None)
    return path


async def test_a_write_goes_to_the_file_that_says_it_already(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        path, main = await over(at, "mcpServers: {a: {tools: {echo: {requireApproval: true}}}}"), at.file.read_bytes()
        etag = (await at.project.read()).etag
        changed = await change(at.project, PATCH, if_match=etag, principal=ME)
        assert path.read_text(encoding="utf-8").endswith("{a: {tools: {echo: {requireApproval: false}}}}\n")
        assert at.file.read_bytes() == main
        assert accepted(at)["tools"] == {"echo": {"requireApproval": False}}
        assert changed.etag == (await at.project.read()).etag != etag
        await change(at.project, {"mcpServers": {"a": None}}, if_match=None, principal=ME)
        assert (await at.project.read()).reading.written == {"version": 1, "mcpServers": {}}


async def test_what_an_overlay_hides_is_refused_with_its_place(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        path = await over(at, "mcpServers: {b: null}")
        code, said = await refusal(at, {"mcpServers": {"b": light("b")}})
        assert (code, said) == ("edit-refused", "over.yaml:2:14 says otherwise, and hides what the main file would say")
        assert path.read_text(encoding="utf-8") == "version: 1\nmcpServers: {b: null}\n"


@requirement("API-3:null-removes")
async def test_a_null_names_a_server_so_that_the_last_one_can_go_too(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        removed = await change(at.project, {"mcpServers": {"a": None}}, if_match=None, principal=ME)
        assert [(o.server, o.action, o.status) for o in removed.applied.outcomes] == [("a", "delete", "applied")]
        assert "a" not in at.project.ledger.document.servers


@requirement("API-3:add")
async def test_a_server_that_must_be_fresh_is_not_written_over_another(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", enabled=False)}) as at:
        await at.apply()
        for body, fresh, refused in (({"name": "x"}, "a", True), (light("b", enabled=False), "b", False)):
            text = at.file.read_bytes()
            patch = {"mcpServers": {fresh: body}}
            try:
                await change(at.project, patch, if_match=None, principal=ME, fresh={fresh})
                assert not refused
            except ChangeRefused as error:
                assert (error.code, refused, at.file.read_bytes()) == ("exists", True, text)
