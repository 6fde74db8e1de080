"""The vectors of the exported file: our reader, and one in Node.js that knows docs/export.md alone, agree on each."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.store import explorer_file, export_file
from reconciler.store.export_file import ExportRefused
from reconciler.store.export_kinds import kind_of
from tests.documents import blocks
from tests.npm import NODE_WITH_ARGON2, packages
from tests.requirements import requirement
from tests.store.exporting import CODES, PASSPHRASE, sealed
from tests.store.test_export_file import payloads
from tests.vectors.export import make

ROWS: list[dict[str, Any]] = json.loads((make.HERE / make.INDEX).read_text(encoding="utf-8"))
OPENS = {"reconciler": export_file.unseal, "mcp-explorer": explorer_file.unseal}


def expected(row: dict[str, Any]) -> dict[str, Any]:
    return {"refused": row["refused"]} if "refused" in row else {"opens": row["opens"]}


def ours(row: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"opens": OPENS[row["kind"]]((make.HERE / row["file"]).read_bytes(), row["passphrase"])}
    except ExportRefused as refused:
        return {"refused": refused.code}


def in_node(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the reader in Node.js says of each file."""
    asked = "".join(json.dumps({**row, "file": str(make.HERE / row["file"])}) + "\n" for row in rows)
    words = [packages(node=NODE_WITH_ARGON2).node, str(make.HERE / "read.mjs")]
    done = subprocess.run(words, input=asked, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]


@requirement("PAGE-2:vectors")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_our_reader_agrees_with_every_vector(row: dict[str, Any]) -> None:
    assert ours(row) == expected(row)
    if row.get("refused") != "not-ours":
        assert kind_of((make.HERE / row["file"]).read_bytes()) == row["kind"]


@requirement("PAGE-2:vectors")
@pytest.mark.needs("npm")
def test_a_reader_in_node_agrees_with_every_vector() -> None:
    assert in_node(ROWS) == [expected(row) for row in ROWS]


@requirement("PAGE-2:vectors")
def test_the_vectors_are_what_their_writer_makes() -> None:
    made = make.files()
    kept = {path.name: path.read_bytes() for path in make.HERE.glob("*.json")}
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == []


@requirement("PAGE-2:vectors")
def test_every_code_and_both_kinds_have_a_vector() -> None:
    assert {row.get("refused") for row in ROWS} == {None, *CODES}
    assert {row["kind"] for row in ROWS} == {*OPENS}
    assert len(ROWS) == len({row["file"] for row in ROWS}) >= 20


@requirement("PAGE-2:vectors")
@pytest.mark.needs("npm")
def test_a_reader_in_node_opens_whatever_we_seal(tmp_path: Path) -> None:
    drawn: list[Any] = []

    @settings(max_examples=60, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.builds(dict, payloads))
    def draw(payload: dict[str, Any]) -> None:
        drawn.append(payload)

    draw()
    for number, payload in enumerate(drawn):
        (tmp_path / str(number)).write_bytes(sealed(payload))
    names = (str(tmp_path / str(number)) for number in range(len(drawn)))
    rows = [{"file": name, "passphrase": PASSPHRASE, "kind": "reconciler"} for name in names]
    assert as_doubles(in_node(rows)) == as_doubles([{"opens": payload} for payload in drawn])


@requirement("PAGE-2:vectors")
def test_the_example_of_the_document_opens_as_it_says() -> None:
    text = (make.HERE.parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    said = re.search(r"opens under `(.+)` to `(.+)`", text)
    example = next(block.text for block in blocks(text) if '"ciphertext"' in block.text)
    assert said is not None
    assert export_file.unseal(example.encode(), said[1]) == json.loads(said[2])


def as_doubles(value: Any) -> Any:
    """JavaScript has one kind of number."""
    return json.loads(json.dumps(value), parse_int=float)
