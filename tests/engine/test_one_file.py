"""A change of one file alone: of the main one, or of the overlay that is for this machine and kept out of git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import rewrite
from reconciler.engine.change import Consent, apply_file
from reconciler.engine.door import Changed, ChangeRefused, Into, change, prospect
from reconciler.engine.follow import Follower
from reconciler.gate.principal import Principal
from reconciler.store import files
from reconciler.store.places import Sources
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:for-me")]

ME = Principal("me", "operator")
OFF: dict[str, Any] = {"mcpServers": {"a": {"enabled": False}}}
ON: dict[str, Any] = {"mcpServers": {"a": {"enabled": True}}}
BACK: dict[str, Any] = {"mcpServers": {"a": {"enabled": None}}}


async def write(at: Desk, patch: dict[str, Any], into: Into, **more: Any) -> Changed:
    return await change(at.project, patch, if_match=None, principal=ME, wait=10, into=into, **more)


def own(at: Desk) -> Path:
    return at.folder / "reconciler.local.yaml"


def on(at: Desk, server: str = "a") -> Any:
    return at.project.ledger.document.servers[server].get("enabled")


async def test_the_overlay_is_made_and_the_main_file_stays(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        at.file.chmod(0o640)
        before, etag = at.file.read_bytes(), (await at.project.read()).etag
        changed = await write(at, OFF, "own")
        assert own(at).read_text(encoding="utf-8") == "mcpServers:\n  a:\n    enabled: false\n"
        assert own(at).stat().st_mode & 0o777 == 0o640
        assert (at.file.read_bytes(), on(at)) == (before, False)
        assert [(o.server, o.action) for o in changed.applied.outcomes] == [("a", "disable")]
        assert changed.etag == (await at.project.read()).etag != etag
        assert (await at.plan()).actions == ()
        assert "me changed reconciler.local.yaml" in str(await at.project.records.events(0, 100, None))


async def test_a_main_file_of_json_has_an_overlay_of_json(tmp_path: Path) -> None:
    file = tmp_path / ".mcp.json"
    file.write_text(json.dumps({"mcpServers": {"a": light("a")}}), encoding="utf-8")
    async with desk(tmp_path) as at:
        at.project.sources = Sources(file, (), tmp_path)
        await at.apply()
        await write(at, OFF, "own")
        assert json.loads((tmp_path / ".mcp.local.json").read_text(encoding="utf-8")) == OFF


async def test_an_overlay_that_is_there_keeps_its_comments(tmp_path: Path) -> None:
    own_text = "# mine\nmcpServers:\n  b:  # always\n    name: B\n"
    (tmp_path / "reconciler.local.yaml").write_text(own_text, encoding="utf-8")
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        await write(at, OFF, "own")
        assert own(at).read_text(encoding="utf-8") == own_text + "  a:\n    enabled: false\n"
        await write(at, BACK, "own")
        assert own(at).read_text(encoding="utf-8") == own_text
        assert on(at) is None


async def test_what_is_taken_back_is_as_it_is_for_everyone(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", enabled=False)}) as at:
        await at.apply()
        await write(at, ON, "own")
        assert on(at) is True
        changed = await write(at, BACK, "own")
        assert own(at).read_text(encoding="utf-8") == "mcpServers: {}\n"
        assert (on(at), changed.written["mcpServers"]["a"]["enabled"]) == (False, False)
        assert [(o.server, o.action) for o in changed.applied.outcomes] == [("a", "disable")]
        assert (await at.plan()).actions == ()
        again = await write(at, BACK, "own")
        assert (again.applied.outcomes, again.etag) == ([], changed.etag)


async def test_a_group_is_switched_for_this_machine_too(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", group="dev"), "b": light("b", group="dev")}) as at:
        await at.apply()
        off = {"groups": {"dev": {"enabled": False}}}
        changed = await write(at, off, "own")
        assert {(o.server, o.action) for o in changed.applied.outcomes} >= {("a", "disable"), ("b", "disable")}
        changed = await write(at, {"groups": {"dev": {"enabled": None}}}, "own")
        assert {(o.server, o.action) for o in changed.applied.outcomes} >= {("a", "enable"), ("b", "enable")}
        assert own(at).read_text(encoding="utf-8") == "groups: {}\n"


async def test_for_everyone_is_written_although_an_own_setting_hides_it_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "reconciler.local.yaml").write_text("mcpServers: {a: {enabled: false}}\n", encoding="utf-8")
    async with desk(tmp_path, {"a": light("a", enabled=False)}) as at:
        await at.apply()
        found = await prospect(at.project, ON, if_match=None, principal=ME, into="main")
        assert (str(found.file.hidden_at), found.plan.actions) == ("reconciler.local.yaml:1:18", ())
        changed = await write(at, ON, "main")
        assert str(changed.hidden_at) == "reconciler.local.yaml:1:18"
        assert json.loads(at.file.read_text(encoding="utf-8"))["mcpServers"]["a"]["enabled"] is True
        assert (on(at), changed.applied.outcomes) == (False, [])
        assert (await write(at, {"mcpServers": {"a": {"name": "A"}}}, "main")).hidden_at is None
        assert [(o.server, o.action) for o in (await write(at, BACK, "own")).applied.outcomes] == [("a", "enable")]


async def test_what_a_further_overlay_hides_is_not_written_for_this_machine(tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text("mcpServers:\n  a:\n    enabled: true\n", encoding="utf-8")
    async with desk(tmp_path, {"a": light("a")}) as at:
        at.project.sources = Sources(at.file, (over,), tmp_path)
        await at.apply()
        with pytest.raises(ChangeRefused) as refused:
            await write(at, OFF, "own")
        said = "over.yaml:3:5 says otherwise, and hides what reconciler.local.yaml would say"
        assert (refused.value.code, str(refused.value)) == ("edit-refused", said)
        assert not own(at).exists()
        await write(at, {"mcpServers": {"a": {"name": "Mine"}}}, "own")
        assert (await at.project.read()).reading.written["mcpServers"]["a"]["name"] == "Mine"  # type: ignore[index]


async def test_where_no_overlay_is_read_none_is_written(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        at.project.sources = Sources(at.file, (), tmp_path, local=False)
        await at.apply()
        with pytest.raises(ChangeRefused, match=r"nothing is laid over reconciler\.yaml here"):
            await write(at, OFF, "own")
        assert not own(at).exists()


@pytest.mark.parametrize("patch", [{"version": 2}, {"mcpServers": {"new": {"enabled": True}}}])
async def test_an_overlay_that_would_make_no_sense_is_not_made(tmp_path: Path, patch: dict[str, Any]) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        with pytest.raises(ChangeRefused) as refused:
            await write(at, patch, "own")
        assert refused.value.code in ("own-setting", "invalid")
        assert not own(at).exists()


async def test_an_overlay_that_cannot_be_edited_stays(tmp_path: Path) -> None:
    text = "x-all: &it {enabled: true}\nmcpServers: {a: *it, b: *it}\n"
    text = text.replace("x-all: &it {enabled: true}\nmcpServers: {a: *it", "mcpServers: {a: &it {enabled: true}")
    (tmp_path / "reconciler.local.yaml").write_text(text, encoding="utf-8")
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        with pytest.raises(ChangeRefused, match="alias") as refused:
            await write(at, OFF, "own")
        assert (refused.value.code, own(at).read_text(encoding="utf-8")) == ("edit-refused", text)


async def test_an_overlay_that_somebody_makes_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        texts, real = ["mcpServers:\n  a:\n    name: Mine\n"], files.write_whole

        def save(path: Path, text: str, **more: Any) -> None:
            if texts:
                own(at).write_text(texts.pop(), encoding="utf-8")
            real(path, text, **more)

        monkeypatch.setattr(rewrite, "write_whole", save)
        await write(at, OFF, "own")
        assert own(at).read_text(encoding="utf-8") == "mcpServers:\n  a:\n    name: Mine\n    enabled: false\n"


async def test_a_folder_that_takes_no_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        monkeypatch.setattr("os.access", lambda path, _: path != tmp_path)
        with pytest.raises(ChangeRefused, match=r"reconciler\.local\.yaml cannot be written") as refused:
            await write(at, OFF, "own")
        assert (refused.value.code, refused.value.patch) == ("read-only", OFF)


async def test_what_never_ran_waits_for_whoever_may_say_yes(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", enabled=False)}) as at:
        await at.apply()
        editor = Principal("else", "editor")
        changed = await change(at.project, ON, if_match=None, principal=editor, wait=10, into="own")
        assert [(one.server, one.marks) for one in changed.waits] == [("a", ("launch",))]
        assert on(at) is False


async def test_a_secret_for_this_machine_is_in_the_vault(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await write(at, {"mcpServers": {"a": {"env": {"KEY": "hunter2-and-more"}}}}, "own")
        assert "${secret:a.env.KEY}" in own(at).read_text(encoding="utf-8")
        assert "hunter2" not in own(at).read_text(encoding="utf-8")


async def test_who_follows_the_file_follows_an_overlay_that_comes(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        follower = Follower(at.project)
        try:
            await follower.settled.wait()
            await write(at, OFF, "own")
            await at.until(lambda: at.row("a")["status"] == "disconnected")
            assert at.project.followed.held is None
            own(at).unlink()
            await at.until(lambda: at.row("a")["status"] == "connected")
            own(at).write_text("mcpServers: {a: {enabled: false}}\n", encoding="utf-8")
            await at.until(lambda: at.row("a")["status"] == "disconnected")
        finally:
            await follower.stop()


@pytest.mark.needs("git")
async def test_git_is_told_to_ignore_the_overlay_and_that_is_an_event(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    async with desk(folder, {"a": light("a")}) as at:
        await apply_file(at.project, Consent("test", None), lambda _: None)
        await write(at, OFF, "own")
        done = subprocess.run(["git", "status", "--porcelain"], cwd=folder, check=True, capture_output=True, text=True)
        assert "reconciler.local.yaml" not in done.stdout and "reconciler.yaml" in done.stdout
        said = str(await at.project.records.events(0, 100, None))
        assert "git ignores reconciler.local.yaml from now on: .git/info/exclude says so" in said
