"""The list of requirements and the tests agree, both ways; read from the sources, so that part of a run is enough."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.requirements import REQUIREMENTS, requirement, unknown_ids

TESTS = Path(__file__).parent


def named_ids(source: str) -> set[str]:
    """The ids that tests in `source` carry: on a test, on a class of tests, or in the module's `pytestmark`."""
    return {name for mark in _marks(ast.parse(source)) for name in _ids(mark)}


def _marks(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(_is_the_mark(target) for target in node.targets):
            yield from _calls(node.value)
        elif _is_a_test(node):
            yield from (call for decorator in node.decorator_list for call in _calls(decorator))


def _is_the_mark(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == "pytestmark"


def _is_a_test(node: ast.AST) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    if isinstance(node, ast.ClassDef):
        return node.name.startswith("Test")
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("requirement", "pytest.mark.requirement"):
            yield node


def _ids(mark: ast.Call) -> list[str]:
    return [ast.literal_eval(argument) for argument in mark.args]


@cache
def _named_by_file() -> dict[str, set[str]]:
    files = sorted(TESTS.rglob("test_*.py"))
    return {str(path.relative_to(TESTS)): named_ids(path.read_text(encoding="utf-8")) for path in files}


def test_everything_built_is_shown_by_a_test() -> None:
    named = {name for ids in _named_by_file().values() for name in ids}
    named |= {REQUIREMENTS[name].row for name in named if name in REQUIREMENTS}
    assert [each.id for each in REQUIREMENTS.values() if each.built and each.id not in named] == []


def test_no_test_names_what_is_not_in_the_list() -> None:
    wrong = {file: unknown_ids(ids) for file, ids in _named_by_file().items()}
    assert {file: ids for file, ids in wrong.items() if ids} == {}


def test_every_behaviour_belongs_to_a_row() -> None:
    assert [each.id for each in REQUIREMENTS.values() if each.row not in REQUIREMENTS] == []


def test_an_unknown_id_stops_the_import() -> None:
    with pytest.raises(LookupError, match="CFG-1:no-such-thing"):
        requirement("CFG-1:yaml-declares", "CFG-1:no-such-thing")


def test_a_mark_without_an_id_stops_the_import() -> None:
    with pytest.raises(LookupError, match="at least one"):
        requirement()


def test_a_requirement_is_read_from_tests_classes_and_the_module_mark() -> None:
    source = """
pytestmark = [pytest.mark.anyio, requirement("A-1", "A-2")]

@requirement("B-1")
async def test_one(): ...

@pytest.mark.requirement("C-1")
class TestTwo: ...

@requirement("D-1")
def helper(): ...
"""
    assert named_ids(source) == {"A-1", "A-2", "B-1", "C-1"}
