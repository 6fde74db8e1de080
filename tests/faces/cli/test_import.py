"""`reconciler import`: what a sealed file brings is shown, and comes beside what is here, with an engine or without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reconciler.config.read import Source, read
from reconciler.store import explorer_file, export_file
from reconciler.store.state_dir import state_dir_of
from reconciler.store.vault import Vault
from tests.canary import CANARY
from tests.faces.cli.desk import Desk, light
from tests.faces.cli.test_export import PASSPHRASE, answered
from tests.requirements import requirement

pytestmark = requirement("PAGE-2:command-line")

URL = "http://127.0.0.1:9/mcp"
QUICK = export_file.Argon2(8 * 1024, 1, 1)
PAYLOAD: dict[str, Any] = {
    "servers": {
        "far": {"url": URL, "headers": {"K": "${secret:far}"}, "enabled": False},
        "gets": {"url": URL, "headers": {"K": "${env:HOME}"}},
        "runs": light("runs", env={"A": "${secret:far}"}),
    },
    "groups": {},
    "secrets": {"far": CANARY},
}


def sealed(desk: Desk, payload: Any = PAYLOAD, name: str = "in.json") -> tuple[str, ...]:
    """A file with this in it; the arguments that import it."""
    (desk.folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
    data = export_file.seal(payload, PASSPHRASE, created="2026-11-21T00:00:00Z", kdf=QUICK)
    (desk.folder / name).write_bytes(data)
    return "import", name, "--passphrase-file", "passphrase"


def written(desk: Desk) -> dict[str, Any]:
    reading = read([Source("x.yaml", desk.file.read_text(encoding="utf-8"))], default_project="desk")
    assert reading.written is not None
    servers: dict[str, Any] = reading.written["mcpServers"]
    return servers


def vault(desk: Desk, tmp_path: Path) -> dict[str, Any]:
    found = Vault(state_dir_of(desk.file, "desk", tmp_path / "state"))
    return {secret.name: found.get(secret.name) for secret in found.list()}


@requirement("PAGE-2:preview")
def test_a_dry_run_shows_the_three_lists_and_starts_and_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.write({"runs": {"command": "/bin/false"}})
    before = desk.file.read_bytes()
    done = desk.run(*sealed(desk), "--dry-run")
    assert done.exit == 0, done.err
    lines = done.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "ready",
        "needs you",
        "commands",
        "3 servers would come; nothing was changed; `--run gets` has one on that comes switched off",
    ]
    assert f"  far  {URL}" in lines
    assert "    it gets HOME of this machine" in lines
    assert "    as runs (v2): runs is another server here" in lines
    assert (desk.file.read_bytes(), vault(desk, tmp_path)) == (before, {})
    told = desk.run(*sealed(desk), "--dry-run", "--run", "runs-v2", "-o", "json").json
    assert [(row["id"], row["was"], row["off"]) for row in told["commands"]] == [("runs-v2", "runs", False)]
    assert (told["dryRun"], told["secrets"], told["applied"]) == (True, ["far"], None)
    with desk.spawn("status", "-o", "json") as status:
        assert json.loads(status.communicate()[0])["engine"] is None


@requirement("PAGE-2:off")
def test_an_engine_is_started_for_it_and_what_runs_comes_switched_off(desk: Desk, tmp_path: Path) -> None:
    desk.write({})
    try:
        done = desk.process(*sealed(desk))
        assert done.exit == 0, done.err
        assert done.out.splitlines()[-1] == (
            "3 servers came; 2 switched off: delete `enabled: false` in the file when they may run"
        )
        assert {id: entry.get("enabled") for id, entry in written(desk).items()} == dict.fromkeys(
            PAYLOAD["servers"], False
        )
        assert vault(desk, tmp_path) == {"far": CANARY}
        again = desk.run(*sealed(desk))
        assert again.out.splitlines() == ["here already: far, gets, runs", "0 servers came"]
        dry = desk.run(*sealed(desk), "--dry-run", "-o", "json").json
        assert (dry["dryRun"], dry["unchanged"], dry["plan"]["actions"]) == (True, ["far", "gets", "runs"], [])
        assert CANARY not in done.out + done.err + again.out + again.err
    finally:
        desk.process("stop")


@requirement("PAGE-2:off")
def test_what_a_person_names_runs(desk: Desk) -> None:
    with desk.applied({}):
        done = desk.run(*sealed(desk), "--run", "runs", "-o", "json")
        assert (done.exit, [row["off"] for row in done.json["commands"]]) == (0, [False])
        assert "enabled" not in written(desk)["runs"]
        unknown = desk.run(*sealed(desk, {**PAYLOAD, "later": 1}), "--run", "runs", "-o", "json")
        assert (unknown.exit, unknown.json["error"]["code"]) == (64, "unknown-server")


@requirement("PAGE-2:merge")
def test_a_clash_is_said(desk: Desk, tmp_path: Path) -> None:
    with desk.applied({"far": {"url": f"{URL}/mine", "enabled": False}}):
        (desk.folder / "value").write_text("my own value", encoding="utf-8")
        desk.run("secret", "set", "far", "--from-file", "value")
        done = desk.run(*sealed(desk, {**PAYLOAD, "later": 1}))
        lines = done.out.splitlines()
        assert "    as far (v2): far is another server here" in lines
        assert "the secret far comes as far-2: far holds another value here" in lines
        assert "this release does not know, and leaves out: later" in lines
        assert written(desk)["far-v2"]["headers"] == {"K": "${secret:far-2}"}
        assert vault(desk, tmp_path) == {"far": "my own value", "far-2": CANARY}


@requirement("PAGE-2:explorer-servers")
def test_a_file_of_mcp_explorer_comes_too(desk: Desk, tmp_path: Path) -> None:
    arguments = sealed(desk)
    connection = {"name": "Über All", "endpoint": URL, "headers": [{"name": "K", "value": CANARY}], "color": "red"}
    (desk.folder / "in.json").write_bytes(explorer_file.seal([connection], PASSPHRASE))
    desk.write({})
    preview = desk.run(*arguments, "--dry-run")
    assert preview.out.splitlines()[:2] == ["ready", f"  uber-all  {URL}"]
    assert "Über All: color: has no place here and was left out" in preview.out
    with desk.applied({}):
        assert desk.run(*arguments).exit == 0
        assert written(desk)["uber-all"]["name"] == "Über All"
        assert vault(desk, tmp_path) == {"uber-all.headers.K": CANARY}


# What is refused


def refusals(desk: Desk) -> dict[str, bytes]:
    """A file for each of the five, and for content that is none."""
    sealed(desk)
    whole = json.loads((desk.folder / "in.json").read_bytes())
    text = whole["ciphertext"]
    turned = "B" if text[9] != "B" else "C"
    altered = {**whole, "ciphertext": text[:9] + turned + text[10:]}
    other = export_file.seal(PAYLOAD, PASSPHRASE + "s", created="x", kdf=QUICK)
    return {
        "not-ours": b"mcpServers: {}",
        "newer-version": json.dumps({**whole, "version": 2}).encode(),
        "damaged": json.dumps(altered).encode(),
        "wrong-passphrase": other,
        "altered": json.dumps(_summed(altered)).encode(),
        "bad-payload": export_file.seal({"servers": []}, PASSPHRASE, created="x", kdf=QUICK),
    }


def _summed(whole: dict[str, Any]) -> dict[str, Any]:
    """With a digest that fits, as somebody who tampers with a file makes it."""
    from base64 import b64decode, b64encode
    from hashlib import sha256

    from reconciler.canonical import canonical

    head = {name: value for name, value in whole.items() if name not in ("ciphertext", "sha256")}
    digest = sha256(canonical(head).encode() + b64decode(whole["ciphertext"])).digest()
    return {**whole, "sha256": b64encode(digest).decode()}


EXITS = {
    "not-ours": 64,
    "newer-version": 1,
    "damaged": 3,
    "wrong-passphrase": 6,
    "altered": 4,
    "bad-payload": 3,
}


@requirement("PAGE-2:refusals")
def test_each_refusal_has_its_own_exit_code_and_a_way_out_with_an_engine_and_without(desk: Desk) -> None:
    desk.write({})
    files = refusals(desk)
    assert len({EXITS[code] for code in EXITS if code != "bad-payload"}) == 5

    def told(code: str, *more: str) -> tuple[int, str, str]:
        (desk.folder / "in.json").write_bytes(files[code])
        done = desk.run("import", "in.json", "--passphrase-file", "passphrase", "-o", "json", *more)
        assert done.json["error"]["hint"]
        return done.exit, done.json["error"]["code"], done.json["error"]["message"]

    alone = {code: told(code) for code in files}
    assert {code: answer[:2] for code, answer in alone.items()} == {code: (EXITS[code], code) for code in files}
    assert desk.run("stop").err == "no engine runs\n"  # none was started for any of them
    with desk.applied({}):
        assert {code: told(code) for code in files} == alone
        assert written(desk) == {}


def test_what_is_no_text_at_all_is_refused(desk: Desk) -> None:
    desk.write({})
    arguments = sealed(desk)
    (desk.folder / "in.json").write_bytes(b"PK\x03\x04\xff\xfe\x00")
    assert desk.run(*arguments, "--dry-run").exit == 64
    missing = desk.run("import", "nowhere.json", "--passphrase-file", "passphrase")
    assert (missing.exit, missing.err) == (1, "error: nowhere.json: No such file or directory\n")


def test_a_file_that_is_broken_takes_nothing(desk: Desk) -> None:
    desk.file.write_text("mcpServers: [", encoding="utf-8")
    done = desk.run(*sealed(desk), "-o", "json")
    assert (done.exit, done.json["problems"][0]["code"]) == (3, "yaml-syntax")


def test_what_the_files_cannot_take_is_refused_before_an_engine_starts(desk: Desk) -> None:
    desk.write({})
    (desk.folder / "over.yaml").write_text("mcpServers: {far: null}\n", encoding="utf-8")
    files = ("-f", "reconciler.yaml", "-f", "over.yaml")
    before = desk.file.read_bytes()
    done = desk.run(*sealed(desk), *files, "-o", "json")
    assert (done.exit, done.json["error"]["code"]) == (3, "edit-refused")
    assert (desk.file.read_bytes(), desk.run("stop", *files).err) == (before, "no engine runs\n")


def test_a_passphrase_is_typed_once(desk: Desk) -> None:
    desk.write({})
    done = answered(desk, [PASSPHRASE], *sealed(desk)[:2], "--dry-run")
    assert done.exit == 0, done.err
    assert done.out.splitlines()[0] == "ready"
    assert PASSPHRASE not in done.err
