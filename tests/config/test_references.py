"""References in a configuration: which are refused, which are dangerous, and which variables a document reads."""

import pytest

from reconciler.config.read import Source, read
from reconciler.config.references import names_mentioned, texts
from reconciler.model.document import Document
from tests.requirements import requirement

VALUE = "not-to-be-seen"


def found(server: str) -> list[tuple[str, str]]:
    text = f"version: 1\nmcpServers:\n  a: {server}\n"
    problems = read([Source("a.yaml", text)], default_project="p").problems
    assert all(VALUE not in f"{p.detail} {p.hint}" for p in problems)
    return [(problem.severity, problem.code) for problem in problems]


@pytest.mark.parametrize(
    "form",
    ["${env:A}", "${A}", "${A:-b}", "${env:A:-b}", "${file:/a}", "${secret:a}", "${workspaceFolder}", "$$", "$x"],
)
@pytest.mark.parametrize(
    "server",
    [
        "{command: 'FORM'}",
        "{command: a, cwd: 'FORM'}",
        "{command: a, env: {A: 'FORM'}}",
        "{url: 'http://a/FORM', headers: {A: 'FORM'}, oauth: {clientId: 'FORM'}}",
    ],
)
@requirement("CFG-1:yaml-declares")
def test_every_form_may_stand_where_references_are_resolved(form: str, server: str) -> None:
    assert found(server.replace("FORM", form)) == []


@pytest.mark.parametrize(
    "form",
    [
        "${}",
        "${x",
        "${a-b}",
        "${vault:x}",
        "${input:x}",
        "${A:?b}",
        "${A:-${B}}",
        "${file:a:-b}",
        "${secret:a b}",
        "${secret:@a}",
    ],
)
@pytest.mark.parametrize(
    "server",
    [
        "{command: 'FORM'}",
        "{command: a, args: ['FORM']}",
        "{command: a, env: {A: 'FORM'}}",
        "{url: 'FORM'}",
        "{url: 'http://a', oauth: {clientId: 'FORM'}}",
    ],
)
def test_anything_else_is_refused(form: str, server: str) -> None:
    assert found(server.replace("FORM", form)) == [("error", "bad-reference")]


def test_an_unknown_kind_names_the_one_that_was_meant() -> None:
    (problem,) = read([Source("a.yaml", "mcpServers: {a: {command: '${enw:A}'}}")], default_project="p").problems
    assert problem.hint == 'did you mean "env"?'
    assert problem.place
    assert (problem.place.column, problem.place.end_column) == (28, 36)


@pytest.mark.parametrize("argument", ["--token=${env:T}", "${T}", "${secret:t}", "${file:t}"])
def test_a_reference_in_args_ends_where_others_can_read_it(argument: str) -> None:
    assert found(f"{{command: a, args: ['{argument}', '{argument}']}}") == [("warning", "reference-in-args")] * 2


@pytest.mark.parametrize("argument", ["${workspaceFolder}/x", "${HOME}/x", "$$T", "$T"])
def test_a_directory_in_args_harms_nobody(argument: str) -> None:
    assert found(f"{{command: a, args: ['{argument}']}}") == []


@pytest.mark.parametrize("field", ["name", "description", "iconUrl"])
def test_a_reference_in_a_text_for_people_stays_as_it_is(field: str) -> None:
    assert found(f"{{command: a, {field}: 'x ${{A}}'}}") == [("warning", "reference-not-resolved")]
    assert found(f"{{command: a, {field}: 'x $A'}}") == []


@pytest.mark.parametrize(
    "server",
    [
        f"{{command: a, env: {{TOKEN: {VALUE}}}}}",
        f"{{command: a, env: {{TOKEN: 'Bearer {VALUE}'}}}}",
        f"{{url: 'http://a', headers: {{Authorization: 'Basic {VALUE}'}}}}",
        f"{{url: 'http://a', headers: {{X-Api-Key: '{VALUE}$$'}}}}",
        f"{{url: 'http://a', oauth: {{clientId: a, clientSecret: {VALUE}}}}}",
        f"{{url: 'http://u:{VALUE}@a/'}}",
        f"{{url: 'http://a/?token={VALUE}'}}",
        f"{{command: a, args: ['--password={VALUE}']}}",
        f"{{command: a, env: {{MODE: '${{X:-ghp_{'a1B2' * 5}}}'}}}}",
        f"{{command: a, metadata: {{x: ['ghp_{'a1B2' * 5}']}}}}",
    ],
)
def test_a_secret_that_is_written_out_is_named_and_not_repeated(server: str) -> None:
    assert found(server) == [("warning", "literal-secret")]


HARMLESS = [
    *("${env:TOKEN}", "Bearer ${env:TOKEN}", "${TOKEN:-}", "", "abc", "true", "4096"),
    *("<your token>", "your-token-here", "YOUR_API_KEY", "xxxx", "***", "changeme"),
    *("/run/secrets/token", "./token", "~/token"),
]


@pytest.mark.parametrize("value", HARMLESS)
def test_what_is_plainly_no_secret_is_let_through(value: str) -> None:
    assert found(f"{{command: a, env: {{TOKEN: '{value}'}}}}") == []


def test_the_variables_of_a_document_are_those_it_forwards_and_those_it_names() -> None:
    document = Document(
        {
            "envFile": "${NOT_READ}",
            "mcpServers": {
                "a": {
                    "command": "${A}",
                    "args": ["${env:B}", "${B:-${broken"],
                    "env": ["C", "D"],
                    "name": "${NOT_READ}",
                },
                "b": {"url": "${env:E:-x}/", "headers": {"${NOT_READ}": "${secret:F} ${file:G} $$H ${I}"}},
                "c": {"command": "c", "env": {"K": "${workspaceFolder}/${L}"}, "azure": {"clientSecret": "${M}"}},
            },
        }
    )
    assert names_mentioned(document) == set("ABCDEILM")
    assert names_mentioned(Document()) == set()


def test_texts_are_found_with_their_paths() -> None:
    value = {"a": ["b", {"c": "d"}, 1], "e": None}
    assert list(texts(value, ("x",))) == [("b", ("x", "a", 0)), ("d", ("x", "a", 1, "c"))]
