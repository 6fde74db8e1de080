"""Problems as values: their order, their JSON, and which of them stop a configuration."""

from reconciler.problems import Place, Problem, errors, in_order
from tests.requirements import requirement

LATE = Problem("error", "b", "B", "later", Place("a.yaml", 12, 3))
EARLY = Problem("warning", "a", "A", "earlier", Place("a.yaml", 2, 30, 34), "a way out")
ELSEWHERE = Problem("error", "a", "A", "in another file", Place("b.yaml", 1, 1))
NOWHERE = Problem("error", "z", "Z", "nowhere")


@requirement("CFG-6:all-problems-at-once")
def test_problems_are_sorted_by_place_and_those_without_one_come_first() -> None:
    assert in_order([ELSEWHERE, LATE, NOWHERE, EARLY]) == [NOWHERE, EARLY, LATE, ELSEWHERE]


def test_two_problems_at_one_place_are_sorted_by_code_and_detail() -> None:
    place = Place("a.yaml", 1, 1)
    problems = [Problem("error", code, "", detail, place) for code, detail in (("b", "x"), ("a", "z"), ("a", "y"))]
    assert [(p.code, p.detail) for p in in_order(problems)] == [("a", "y"), ("a", "z"), ("b", "x")]


def test_only_errors_stop_a_configuration() -> None:
    assert errors([EARLY, LATE, NOWHERE]) == [LATE, NOWHERE]


def test_a_place_reads_as_file_line_and_column() -> None:
    assert str(EARLY.place) == "a.yaml:2:30"


def test_the_json_of_a_problem_has_the_fields_of_the_contract() -> None:
    assert EARLY.to_json() == {
        "severity": "warning",
        "code": "a",
        "summary": "A",
        "detail": "earlier",
        "file": "a.yaml",
        "line": 2,
        "column": 30,
        "hint": "a way out",
    }
    assert NOWHERE.to_json() | {"file": None, "line": None, "column": None, "hint": None} == NOWHERE.to_json()
