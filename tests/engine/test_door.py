"""The one door to the file: exactly the patch, in the text and in what is accepted, and nothing else of the file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from reconciler.engine import door, rewrite
from reconciler.engine.change import Consent, apply_file
from reconciler.engine.door import ChangeRefused, change, prospect
from reconciler.gate.principal import Principal
from reconciler.plan.document import plan_id
from reconciler.store import files
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
        at.write({"b": light("b")})  # by an editor, and nobody took it up yet
        with pytest.raises(ChangeRefused, match='"a" is gone from the file, and was not taken down yet'):
            await change(at.project, {"mcpServers": {"a": light("c")}}, if_match=None, principal=ME, fresh={"a"})


async def test_an_edit_that_does_not_read_as_it_should_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        wrong = ["version: 1\nmcpServers: {}\n", "[", "7"]
        monkeypatch.setattr("reconciler.engine.rewrite.edits", lambda *_, **__: iter(wrong))
        code, said = await refusal(at)
        assert (code, "has to be made by hand" in said) == ("edit-refused", True)


# Secrets


@requirement("API-4:literals-go-to-the-vault")
async def test_a_literal_secret_is_in_the_vault_and_reaches_the_server_but_not_the_file(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        patch = {"mcpServers": {"a": {"env": {"KEY": "hunter2-and-more"}}}}
        await change(at.project, patch, if_match=None, principal=ME, wait=10)
        assert at.project.vault.get("a.env.KEY") == "hunter2-and-more"
        assert "hunter2" not in at.file.read_text(encoding="utf-8")
        assert accepted(at)["env"] == {"KEY": "${secret:a.env.KEY}"}
        assert json.loads(await at.call("a", "info"))["env"]["KEY"] == "hunter2-and-more"
        again = await change(at.project, patch, if_match=None, principal=ME, wait=10)
        assert (again.applied.outcomes, [secret.version for secret in at.project.vault.list()]) == ([], [1])


@requirement("API-4:literals-go-to-the-vault")
async def test_another_value_of_a_secret_is_a_reconnect_with_that_reason(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        for value in ("first-value", "second-value"):
            before = at.row("a")["instance"]
            patch = {"mcpServers": {"a": {"env": {"KEY": value}}}}
            changed = await change(at.project, patch, if_match=None, principal=ME, wait=10)
            assert [(o.action, o.status) for o in changed.applied.outcomes] == [("reconnect", "applied")]
            assert at.row("a")["instance"] != before
        assert [secret.version for secret in at.project.vault.list()] == [2]
        [reason] = changed.applied.plan.drift[0].because
        assert getattr(reason, "detail", "") == "its stored secret changed: a.env.KEY"


@requirement("API-4:literals-go-to-the-vault")
@pytest.mark.parametrize(
    "patch",
    [
        {"mcpServers": {"a": {"env": {"KEY": "other-value"}, "timeouts": {"call": "soon"}}}},
        {"mcpServers": {"a": {"env": {"KEY": "other-value", "NEW": "***"}}}},
        {"mcpServers": {"b": {"command": "x", "headers": {"H": "other-value"}}}},
        {"mcpServers": {"a": {"env": {"KEY": "x" * 70_000}}}},
        {"version": 2, "mcpServers": {"a": {"env": {"KEY": "other-value"}}}},
    ],
)
async def test_a_refused_change_leaves_the_vault_as_it_was(tmp_path: Path, patch: dict[str, Any]) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await change(at.project, {"mcpServers": {"a": {"env": {"KEY": "value-one"}}}}, if_match=None, principal=ME)
        kept = at.project.vault.list()
        code, said = await refusal(at, patch)
        assert (at.project.vault.list(), at.project.vault.get("a.env.KEY")) == (kept, "value-one")
        assert code in ("invalid", "vault", "own-setting")
        assert "other-value" not in said


# Refusals


async def test_every_mistake_is_named_with_its_path(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        patch = {"mcpServers": {"bad": {"name": "B"}, "a": {"timeouts": {"call": "soon"}, "enabeld": True}}}
        with pytest.raises(ChangeRefused) as refused:
            await change(at.project, patch, if_match=None, principal=ME)
        found = {problem.path: problem.code for problem in refused.value.problems}
        assert found == {
            ("mcpServers", "bad"): "no-transport",
            ("mcpServers", "a", "timeouts", "call"): "bad-duration",
            ("mcpServers", "a", "enabeld"): "unknown-field",
        }


@pytest.mark.parametrize("patch", [{"version": None}, {"version": 2}, {"project": "other"}, {"project": None}])
async def test_what_everything_else_is_understood_by_is_not_changed_from_outside(
    tmp_path: Path, patch: dict[str, Any]
) -> None:
    async with desk(tmp_path, {"a": light("a")}, project="mine") as at:
        await at.apply()
        assert (await refusal(at, patch))[0] == "own-setting"
        same = {"version": 1, "project": "mine", "mcpServers": {"a": {"description": "d"}}}
        await change(at.project, same, if_match=None, principal=ME)
        assert accepted(at)["description"] == "d"


async def test_all_servers_at_once_are_not_deleted_by_a_null(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        code, said = await refusal(at, {"mcpServers": None})
        assert (code, "name each with null" in said) == ("blocked", True)
        await change(at.project, {"mcpServers": {"a": None, "b": None}}, if_match=None, principal=ME)
        assert at.rows() == {}


async def test_the_last_server_goes_by_a_null_for_all(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await change(at.project, {"mcpServers": None}, if_match=None, principal=ME)
        assert (at.rows(), (await at.project.read()).reading.written) == ({}, {"version": 1, "mcpServers": {}})


async def test_a_protected_server_is_deleted_by_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", protect=True), "b": light("b")}) as at:
        await at.apply()
        code, said = await refusal(at, {"mcpServers": {"a": None}})
        assert (code, "a is protected" in said) == ("blocked", True)


async def test_an_engine_that_only_reads_answers_with_the_patch(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        at.project.read_only = True
        patch = {"mcpServers": {"a": {"env": {"KEY": "a-literal-one"}, "description": "d"}}}
        with pytest.raises(ChangeRefused) as refused:
            await change(at.project, patch, if_match=None, principal=ME)
        assert (refused.value.code, "--read-only" in str(refused.value)) == ("read-only", True)
        assert refused.value.patch == {"mcpServers": {"a": {"env": {"KEY": "***"}, "description": "d"}}}
        assert at.project.vault.list() == ()
        assert (await refusal(at, {"mcpServers": {"bad": {}}}))[0] == "invalid"


# Others who save meanwhile


def saved_meanwhile(at: Desk, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Somebody saves these, one each time a text is about to take the file's place."""
    real, left = files._check_is, list(texts)

    def save(target: Path, expected: str | None) -> None:
        if target == at.file and left:
            target.write_text(left.pop(0), encoding="utf-8")
        real(target, expected)

    monkeypatch.setattr(files, "_check_is", save)


async def test_what_somebody_saves_meanwhile_is_kept_and_the_patch_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        saved_meanwhile(at, monkeypatch, yaml(at) + "    name: One\n", yaml(at) + "    name: Two # mine\n")
        patch = {"mcpServers": {"a": {"description": "d", "env": {"KEY": "a-literal-one"}}}}
        await change(at.project, patch, if_match=None, principal=ME)
        text = at.file.read_text(encoding="utf-8")
        assert ("name: Two # mine" in text, "description: d" in text) == (True, True)
        assert "name" not in accepted(at)
        assert [secret.name for secret in at.project.vault.list()] == ["a.env.KEY"]


async def test_a_change_for_one_version_is_stale_when_somebody_saves_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        etag = (await at.project.read()).etag
        text = yaml(at)
        saved_meanwhile(at, monkeypatch, text)
        with pytest.raises(ChangeRefused) as refused:
            await change(at.project, PATCH, if_match=etag, principal=ME)
        assert (refused.value.code, at.file.read_text(encoding="utf-8")) == ("stale", text)


async def test_a_file_that_is_saved_all_the_time_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        saved_meanwhile(at, monkeypatch, *(yaml(at) + f"    name: N{n}\n" for n in range(100)))
        with pytest.raises(ChangeRefused) as refused:
            await change(at.project, PATCH, if_match=None, principal=ME)
        assert refused.value.code == "stale"


async def test_of_two_files_neither_is_written_when_one_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        path = await over(at, "mcpServers: {a: {name: A}}")
        texts = [at.file.read_bytes(), path.read_bytes()]
        saved_meanwhile(at, monkeypatch)
        real = files._check_is

        def fail(target: Path, expected: str | None) -> None:
            if target == path:
                raise OSError(28, "No space left on device")
            real(target, expected)

        monkeypatch.setattr(files, "_check_is", fail)
        patch = {"mcpServers": {"a": {"name": "B", "description": "d"}}}
        assert (await refusal(at, patch))[0] == "read-only"
        assert [at.file.read_bytes(), path.read_bytes()] == texts


async def test_an_overlay_that_comes_or_changes_meanwhile_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        local, real = tmp_path / "reconciler.local.yaml", rewrite.write
        texts = [f"mcpServers: {{a: {{{field}}}}}\n" for field in ("name: A", "description: other")]

        def save(*given: Any) -> None:
            if texts:
                local.write_text(texts.pop(0), encoding="utf-8")
            real(*given)

        monkeypatch.setattr(door, "write", save)
        await change(at.project, {"mcpServers": {"a": {"description": "d"}}}, if_match=None, principal=ME)
        written = (await at.project.read()).reading.written
        assert (written or {})["mcpServers"]["a"] == light("a", description="d")
        assert "description: d" in local.read_text(encoding="utf-8")


async def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        at.file.write_bytes(b"\xef\xbb\xbf" + yaml(at).encode())
        await at.apply()
        changed = await change(at.project, PATCH, if_match=None, principal=ME)
        assert at.file.read_bytes().startswith(b"\xef\xbb\xbfversion: 1\n")
        assert text_digest(at.file.read_bytes()) == changed.etag == (await at.project.read()).etag


async def test_a_change_goes_on_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        async with at.project.applying:
            asked = asyncio.create_task(change(at.project, PATCH, if_match=None, principal=ME))
            await checkpoint()
            asked.cancel()
            await asyncio.wait({asked})
        await at.until(lambda: "tools" in accepted(at))
        assert asked.cancelled()


# Parts of the file that were not taken up


async def test_of_what_is_not_in_the_file_as_accepted_only_the_patch_is_taken_up(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "gone": light("gone")}) as at:
        await at.apply()
        at.write({"a": {"url": "http://127.0.0.1:9/"}, "b": light("b")}, groups={"g": {"name": "G"}})
        for patch in (
            {"mcpServers": {"a": {"headers": {"H": "${env:H}"}}}},
            {"mcpServers": {"b": {"description": "d"}}},
            {"mcpServers": {"gone": light("new")}},
            {"groups": {"h": {"name": "H"}}},
        ):
            await change(at.project, patch, if_match=None, principal=ME)
        document = at.project.ledger.document
        assert document.servers == {"a": light("a"), "gone": light("new")}
        assert document.settings == {"version": 1, "groups": {"h": {"name": "H"}}}


async def test_where_nothing_was_applied_the_settings_of_the_file_come_along(tmp_path: Path) -> None:
    async with desk(tmp_path, {"b": light("b")}, defaults={"requireApproval": "writes"}) as at:
        await change(at.project, {"mcpServers": {"a": light("a")}}, if_match=None, principal=ME)
        document = at.project.ledger.document
        assert document.settings == {"version": 1, "defaults": {"requireApproval": "writes"}}
        assert list(document.servers) == ["a"]


# What was looked at before


async def test_what_was_looked_at_is_what_is_written(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        shown = await prospect(at.project, PATCH, if_match=None, principal=ME)
        done = await change(at.project, PATCH, if_match=None, principal=ME, expected=plan_id(shown.plan))
        assert done.written is shown.file.after.reading.written, "it was edited and read a second time"
        assert at.file.read_text(encoding="utf-8") == shown.file.texts[at.file]
        assert at.project.rewritten is None, "nobody can have it written any more"


async def test_what_was_saved_since_it_was_looked_at_stays(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await prospect(at.project, PATCH, if_match=None, principal=ME)
        at.file.write_text("# mine\n" + yaml(at), encoding="utf-8")
        await change(at.project, PATCH, if_match=None, principal=ME)
        assert at.file.read_text(encoding="utf-8").startswith("# mine\nversion: 1\n")
        assert "tools" in accepted(at)


async def test_another_change_than_was_looked_at_is_made_anew(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await prospect(at.project, PATCH, if_match=None, principal=ME)
        await change(at.project, {"mcpServers": {"a": {"description": "d"}}}, if_match=None, principal=ME)
        assert accepted(at) == light("a", description="d")


async def test_a_yes_to_what_would_be_another_plan_by_now_changes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        shown = plan_id((await prospect(at.project, PATCH, if_match=None, principal=ME)).plan)
        at.write({"a": light("a"), "b": light("b")})
        before = at.file.read_bytes()
        with pytest.raises(ChangeRefused, match="something else by now") as refused:
            await change(at.project, PATCH, if_match=None, principal=ME, expected=shown)
        assert (refused.value.code, at.file.read_bytes()) == ("moved", before)
