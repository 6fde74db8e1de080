"""The watch for the marked secret sees what it should; tried on small suites of their own."""

import ast
import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reconciler.model.document import SECRET_PATHS, Document
from reconciler.model.secret import HIDDEN
from tests.canary import CANARY, ENCODINGS, SHORTEST_PART, VARIABLE, canary_written, encodings_in

ROOT = Path(__file__).parent.parent
CASES = Path(__file__).parent / "cases" / "canary"
LEAKS = {path.stem: ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in sorted(CASES.glob("leaks/*.py"))}
"""Small tests of which each gives the secret away, with what is said of it."""
CLEAN = sorted(path.stem for path in CASES.glob("clean/*.py"))

ENCODED = {
    "raw": f"token={CANARY}",
    "base64": base64.b64encode(f"user:{CANARY}@".encode()).decode(),
    "base64url": base64.urlsafe_b64encode(f'{{"token":"{CANARY}"}}'.encode()).decode(),
    "hex": f"0x{CANARY.encode().hex()}",
    "URL-encoded": f"?token={quote(CANARY, safe='')}",
    "JSON-escaped": json.dumps(CANARY).replace("/", "\\/"),
    "HTML-escaped": "".join(each if each.isalnum() else f"&#x{ord(each):X};" for each in CANARY),
    "reversed": CANARY[::-1],
    "split over lines": f"{CANARY[:9]}\r\n\t{CANARY[9:]}",
    "in part": CANARY[-8:],
}


@pytest.fixture(scope="module")
def inner_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a suite of all leaks and all clean tests prints."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "pytest.ini").write_text("[pytest]\nlog_level = DEBUG\n", encoding="utf-8")
    for path in CASES.glob("*/*.py"):
        (folder / f"test_{path.parent.name}_{path.name}").write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pytest", "-p", "tests.canary", "-p", "no:cacheprovider", "--tb=short", "-rA"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.canary_inputs("stdout", "argument")
def test_a_leak_fails_the_test_and_names_the_place(name: str, inner_run: str) -> None:
    lines = [line for line in inner_run.splitlines() if line.startswith(f"ERROR test_leaks_{name}.py::test ")]
    assert lines == [f"ERROR test_leaks_{name}.py::test - The marked secret came out: {LEAKS[name]}"]


@pytest.mark.parametrize("name", CLEAN)
@pytest.mark.canary_inputs("stdout", "argument")
def test_what_may_hold_the_secret_is_left_out(name: str, inner_run: str) -> None:
    assert f"PASSED test_clean_{name}.py::test" in inner_run
    assert f"ERROR test_clean_{name}.py" not in inner_run


@pytest.mark.parametrize("name", ENCODED)
def test_the_secret_is_found_in_every_encoding(name: str) -> None:
    assert name in encodings_in(ENCODED[name])
    assert name in encodings_in(f"before {ENCODED[name]} after".encode())


def test_the_secret_is_found_at_every_alignment_of_base64() -> None:
    texts = [base64.b64encode(b"x" * before + CANARY.encode() + b"tail") for before in range(6)]
    assert [encodings_in(text) for text in texts] == [["base64"]] * 6


def test_every_form_is_found_wherever_a_line_ends_in_it() -> None:
    for name, forms in ENCODINGS.items():
        for form in forms:
            assert name in encodings_in(b"x\n" + form + b"\\\r\n")
            for at in range(1, len(form)):
                for end in (b"\\\n", b"\\\r\n \t") if form[at - 1] == 0x5C else (b"\n", b"\r\n", b"\\\n", b"\n\n  \n"):
                    assert encodings_in(form[:at] + end + form[at:]), (form, at, end)


def test_every_part_is_found() -> None:
    for at in range(len(CANARY) - SHORTEST_PART + 1):
        assert encodings_in(f"x\n {CANARY[at : at + SHORTEST_PART]}\r\n") == ["in part"]


def test_other_text_holds_no_secret() -> None:
    assert encodings_in("token=cnry, no more") == []


def test_every_secret_field_of_the_model_holds_the_secret(canary_document: dict[str, Any]) -> None:
    assert len(canary_document["mcpServers"]) == len(SECRET_PATHS)
    masked = Document(canary_document).masked()
    texts = json.dumps(canary_document).count(CANARY), json.dumps(masked).count(f'"{HIDDEN}"')
    assert texts == (len(SECRET_PATHS), len(SECRET_PATHS))


def test_the_file_with_the_secret_is_a_test_s_own_input(canary_file: Path) -> None:
    assert json.loads(canary_file.read_text(encoding="utf-8")) == canary_written()


def test_the_variable_holds_the_secret_while_the_suite_runs() -> None:
    assert os.environ[VARIABLE] == CANARY
