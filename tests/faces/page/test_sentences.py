"""The tour shows every sentence of the document that the page was made after."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.faces.page import sentences
from tests.requirements import requirement

TOUR = sorted(Path(__file__).parent.glob("test_browser_tour*.py"))


@requirement("PAGE-1:tour")
def test_every_sentence_is_shown_by_a_step_of_the_tour() -> None:
    there = {name for name in vars(sentences) if name.isupper()}
    steps = [
        node
        for module in TOUR
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "step"
    ]
    shown = {ast.unparse(each).removeprefix("says.") for node in steps for each in node.args}
    assert (len(there), there - shown) == (31, set())
