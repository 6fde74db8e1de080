"""References inside texts, and what of a text may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.secret import (
    BadReference,
    SecretRef,
    Template,
    known_secrets_in,
    masked,
    parse_template,
    secrets_in,
    tells_secret,
)
from tests.requirements import requirement

RANDOM_WORD = "q7Zr2Kx9Lm4Np8Vt3Bw6Hd1Fj5Gs0Yc2"
LOOKS_SECRET = [
    "ghp_" + "a1B2" * 5,
    "github_pat_" + "a1B2" * 6,
    "glpat-" + "a1B2" * 5,
    "sk-" + "a1B2" * 5,
    "xoxb-" + "12345-abcde",
    "AKIA" + "ABCD1234" * 2,
    "AIza" + "a1B2" * 8,
    "npm_" + "a1B2" * 8,
    "eyJ" + "a1B2" * 3 + "." + "a1B2" * 3 + ".sig",
    "hf_" + "a1B2" * 6,
    "lin_api_" + "a1B2" * 6,
    "--token=" + "abcdefgh",
    "https://user:hunter2@example.com/",
    "https://example.com/?api_key=abcdefgh",
    RANDOM_WORD,
]
HARMLESS = [
    "",
    "npx",
    "-y",
    "@modelcontextprotocol/server-everything",
    "https://example.com/mcp?page=2",
    "/usr/local/lib/node_modules/server-filesystem/dist/index.js",
    "a-very-long-name-of-a-package-with-version-1",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1",
    "https://example.com/" + "a1b2c3d4e5f6g7h8/" * 3,
    "token=short",
]
TELLING = [
    "GITHUB_TOKEN",
    "password",
    "DB_PASSWD",
    "X-Api-Key",
    "apiKey",
    "clientSecret",
    "Authorization",
    "Cookie",
    "AWS_CREDENTIALS",
]
SILENT = ["MODE", "X-Version", "TOKENS_PER_MINUTE", "KEYBOARD", "path", "AUTHORIZATION_URL"]


def star(text: str) -> str:
    return f"<{len(text)}>"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("${env:NAME}", SecretRef("env", "NAME")),
        ("${NAME}", SecretRef("env", "NAME")),
        ("${env:NAME:-a:-b}", SecretRef("env", "NAME", "a:-b")),
        ("${NAME:-}", SecretRef("env", "NAME", "")),
        ("${NAME:-two\nlines}", SecretRef("env", "NAME", "two\nlines")),
        ("${file:/run/secrets/x}", SecretRef("file", "/run/secrets/x")),
        ("${secret:a.b_C-1}", SecretRef("secret", "a.b_C-1")),
        ("${workspaceFolder}", SecretRef("workspaceFolder", "")),
    ],
)
def test_each_form_of_a_reference_is_read(text: str, reference: SecretRef) -> None:
    template = parse_template(f"a{text}b")
    assert template == Template(("a", reference, "b"))
    assert template.references == (reference,)


@pytest.mark.parametrize(
    ("text", "span", "scheme", "closed"),
    [
        ("a${}", (1, 4), None, True),
        ("${:x}", (0, 5), None, True),
        ("${env:A-B}", (0, 10), None, True),
        ("${A:?say so}", (0, 12), "A", True),
        ("${file:a:-b}", (0, 12), None, True),
        ("${secret:a b}", (0, 13), None, True),
        ("${secret:@sign-in/a/b}", (0, 22), None, True),
        ("${vault:x}", (0, 10), "vault", True),
        ("x${env:A", (1, 3), None, False),
        ("${A:-${B}}", (0, 2), None, False),
    ],
)
def test_what_is_no_reference_is_refused_without_repeating_it(
    text: str, span: tuple[int, int], scheme: str | None, closed: bool
) -> None:
    with pytest.raises(BadReference) as refused:
        parse_template(text)
    assert (refused.value.span, refused.value.scheme, refused.value.closed) == (span, scheme, closed)
    assert not any(word in str(refused.value) for word in ("A-B", "say so", "vault"))


def test_a_doubled_dollar_is_one_and_begins_no_reference() -> None:
    assert parse_template("$${A} $$ $x $") == Template(("${A} $ $x $",))


def test_a_text_without_references_is_one_part_and_an_empty_one_none() -> None:
    assert parse_template("plain") == Template(("plain",))
    assert parse_template("") == Template(())
    assert parse_template("${A}${B}").parts == (SecretRef("env", "A"), SecretRef("env", "B"))


def test_a_template_is_resolved_once_and_never_again() -> None:
    look_up = {"A": "${B}", "B": "no"}
    assert parse_template("x-${A}-$$").resolve(lambda reference: look_up[reference.name]) == "x-${B}-$"


@given(
    st.text(), st.sampled_from([SecretRef("env", "A"), SecretRef("env", "A", "b"), SecretRef("workspaceFolder", "")])
)
def test_a_reference_written_out_reads_as_itself(text: str, reference: SecretRef) -> None:
    written = text.replace("$", "$$") + str(reference)
    assert parse_template(written).references == (reference,)
    assert parse_template(written).resolve(lambda _: "") == text


@pytest.mark.parametrize("text", LOOKS_SECRET)
def test_what_looks_like_a_secret_is_found_and_hidden(text: str) -> None:
    spans = secrets_in(f"a {text} b")
    assert len(spans) == 1
    secret = f"a {text} b"[slice(*spans[0])]
    assert secret not in masked(f"a {text} b", star, secret_field=False)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_does_not_look_like_a_secret_is_shown(text: str) -> None:
    assert not secrets_in(text)
    assert masked(text, star, secret_field=False) == text


@pytest.mark.parametrize("name", TELLING)
def test_some_names_tell_that_their_value_is_a_secret(name: str) -> None:
    assert tells_secret(name)


@pytest.mark.parametrize("name", SILENT)
def test_other_names_do_not(name: str) -> None:
    assert not tells_secret(name)


def test_a_whole_literal_of_a_secret_field_is_hidden() -> None:
    assert masked("hunter2", star, secret_field=True) == "<7>"
    assert masked("", star, secret_field=True) == ""
    assert masked("${env:A", star, secret_field=True) == "<7>"
    assert masked("${env:A", star, secret_field=False) == "${env:A"


def test_references_stay_and_only_their_literals_and_defaults_are_hidden() -> None:
    assert masked("Bearer ${env:A}", star, secret_field=True) == "Bearer ${env:A}"
    assert masked("$$ ${A:-hunter2}", star, secret_field=True) == "$$ ${env:A:-<7>}"
    assert masked("${A:-debug} $$", star, secret_field=False) == "${env:A:-debug} $$"
    assert masked("${A:-" + RANDOM_WORD + "}", star, secret_field=False) == "${env:A:-<32>}"
    assert masked("$$" + RANDOM_WORD + "0", star, secret_field=False) != "$$" + RANDOM_WORD + "0"


@requirement("CFG-6:place-and-caret")
@given(st.text(min_size=1))
def test_no_literal_of_a_secret_field_is_ever_shown(text: str) -> None:
    assert masked(text.replace("$", "$$"), lambda _: "", secret_field=True) == ""


def test_secrets_of_known_kinds_are_told_from_words_that_only_look_random() -> None:
    digest, token = "image@sha256:" + "0a1b2c3d4e5f6789" * 4, "ghp_" + "a1" * 12
    assert secrets_in(digest)
    assert known_secrets_in(f"{digest} {token}") == ((len(digest) + 1, len(digest) + 1 + len(token)),)
