"""What a form says of a server and what that means for the file: no engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.datastructures import FormData

from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.editing import NEW
from reconciler.faces.page.fields import (
    BadField,
    Entry,
    Fields,
    clashes,
    entry_of,
    field_at,
    fields_of,
    known,
    merged,
    patch_of,
    plain,
    shown_field,
)
from reconciler.faces.page.form import Row, Sheet, base_text, mistakes, read_sheet, sheet_of, with_spare_rows
from reconciler.merge_patch import apply, equal
from reconciler.model.document import Document, hidden, masked_fields
from reconciler.problems import Problem
from tests.canary import CANARY
from tests.plan.generated import documents
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:form")

STDIO: dict[str, Any] = {
    "command": "npx",
    "args": ["-y", "a b", "", "it's"],
    "env": {"KEY": "***", "AT": "${env:HOME}"},
}
REMOTE: dict[str, Any] = {"url": "https://h.example/mcp", "headers": {"X-Key": "***"}, "metadata": {"k": [1]}}


def entries(document: Document) -> list[dict[str, Any]]:
    """The servers of a document as forms get them."""
    return [masked_fields(server, hidden) for server in document.servers.values()]


def typed(entry: Entry, **changes: str) -> Any:
    """The patch of an entry when this is typed; `headers__X` is the header X."""
    return patch_of(fields_of(entry) | {name.replace("__", "."): text for name, text in changes.items()}, entry)


def as_sent(sheet: Sheet, **more: str) -> FormData:
    """What a browser sends of a form that nobody touched: with its own line ends, and without any secret."""
    pairs = {"base": base_text(sheet), "id": sheet.id}
    pairs |= {name: text for name, text in sheet.texts.items() if not (name == "enabled" and not text)}
    pairs |= {"oauth.clientSecret": "", "azure.clientSecret": ""}
    pairs |= {f"{name}.off": "on" for name in sheet.off}
    for part, rows in sheet.rows.items():
        for index, row in enumerate(rows):
            pairs[f"{part}.{index}.{'name' if row.stored is None else 'was'}"] = row.name
            pairs[f"{part}.{index}.value"] = ""
            pairs |= {f"{part}.{index}.off": "on"} if row.off else {}
    texts = {name: text.replace("\r\n", "\n").replace("\n", "\r\n") for name, text in (pairs | more).items()}
    return FormData(texts)


@settings(max_examples=300, deadline=None)
@given(documents())
def test_a_form_that_nobody_touched_means_nothing(document: Document) -> None:
    for entry in entries(document):
        assert patch_of(fields_of(entry), entry) == {}
        sheet = with_spare_rows(sheet_of(entry))
        back = read_sheet(as_sent(sheet), sheet)
        assert patch_of(back.fields, entry) == {}
        assert patch_of(read_sheet(as_sent(sheet), None).fields, entry) == {}


@settings(max_examples=300, deadline=None)
@given(documents())
def test_fields_become_an_entry_and_fields_again(document: Document) -> None:
    for entry in entries(document):
        if "azure" in entry:
            entry = {name: value for name, value in entry.items() if name != "oauth"}  # the file refuses both
        fields = fields_of(entry)
        made = entry_of(fields, {})
        assert fields_of(made) == fields
        assert entry_of(fields, made) == made
        assert json.loads(json.dumps(made)) == made


@settings(max_examples=300, deadline=None)
@given(documents(), st.data())
def test_what_two_people_changed_goes_together(document: Document, data: st.DataObject) -> None:
    found = [fields_of(entry) for entry in entries(document)]
    assume(found)
    base, mine, theirs = (data.draw(st.sampled_from(found)) for _ in range(3))
    assert merged(base, base, theirs) == theirs
    assert merged(base, mine, base) == mine
    both = clashes(base, mine, theirs)
    result = merged(base, mine, theirs, both)
    for name in {**base, **mine}:
        if mine.get(name) != base.get(name):
            assert result.get(name) == mine.get(name)
    assert merged(base, mine, theirs) == merged(base, merged(base, mine, theirs), theirs)


@settings(max_examples=300, deadline=None)
@given(documents(), st.data())
def test_a_form_made_of_fields_says_them(document: Document, data: st.DataObject) -> None:
    found = entries(document)
    assume(found)
    base, wanted = (data.draw(st.sampled_from(found)) for _ in range(2))
    fields = fields_of(wanted)
    sheet = with_spare_rows(sheet_of(base, fields))
    assert sheet.fields == fields
    assert read_sheet(as_sent(sheet), sheet).fields == {name: plain(text) for name, text in fields.items()}


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"endpoint": "npx -y 'a b' '' \"it's\" more"}, {"args": ["-y", "a b", "", "it's", "more"]}),
        ({"endpoint": "npx"}, {"args": None}),
        ({"env__KEY": "new"}, {"env": {"KEY": "new"}}),
        ({"env__MORE": ""}, {"env": {"MORE": ""}}),
        ({"name": "Name", "group": "dev"}, {"name": "Name", "group": "dev"}),
        ({"approval": "writes"}, {"requireApproval": "writes"}),
        ({"approval": "never"}, {"requireApproval": False}),
        ({"enabled": ""}, {"enabled": False}),
        ({"cwd": " "}, {}),
        ({"description": "two\r\nlines"}, {"description": "two\nlines"}),
        (
            {"transport": "http", "endpoint": " https://h.example/ "},
            {"command": None, "args": None, "env": None, "url": "https://h.example/"},
        ),
        (
            {"transport": "sse", "endpoint": "https://h.example/", "signin": "person"},
            {"command": None, "args": None, "env": None, "url": "https://h.example/", "type": "sse", "oauth": True},
        ),
    ],
)
def test_what_is_typed_is_what_changes(changes: dict[str, str], patch: Any) -> None:
    assert typed(STDIO, **changes) == patch


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        (
            {"transport": "stdio", "endpoint": "run it"},
            {"url": None, "headers": None, "command": "run", "args": ["it"]},
        ),
        ({"signin": "person", "oauth__scopes": "read  write\nmore"}, {"oauth": {"scopes": ["read", "write", "more"]}}),
        (
            {"signin": "program", "oauth__clientId": "id", "oauth__clientSecret": "s3cret"},
            {"oauth": {"clientId": "id", "clientSecret": "s3cret", "grant": "client_credentials"}},
        ),
        (
            {"signin": "azure", "azure__tenantId": "t", "azure__scope": " api://x "},
            {"azure": {"tenantId": "t", "scope": "api://x"}},
        ),
    ],
)
def test_ways_to_sign_in_are_typed(changes: dict[str, str], patch: Any) -> None:
    assert typed(REMOTE, **changes) == patch


def test_settings_of_a_sign_in_that_no_form_knows_stay() -> None:
    settings = {"clientId": "a", "scopes": ["x y", "z"], "callbackPort": 1, "grant": "authorization_code"}
    entry = {**REMOTE, "oauth": settings}
    assert typed(entry, oauth__clientId="b") == {"oauth": {"clientId": "b"}}
    assert typed(entry, oauth__clientId="") == {"oauth": {"clientId": None}}
    assert typed(entry, signin="program") == {"oauth": {"grant": "client_credentials"}}
    assert typed(entry, signin="") == {"oauth": None}
    assert typed(entry, signin="azure", azure__tenantId="t") == {"oauth": None, "azure": {"tenantId": "t"}}
    assert typed({**REMOTE, "oauth": {}}, oauth__issuer="https://i.example") == {
        "oauth": {"issuer": "https://i.example"}
    }
    assert typed({**REMOTE, "oauth": {"clientId": "a"}}, oauth__clientId="") == {"oauth": True}


def test_rows_come_and_go_one_by_one() -> None:
    fields = fields_of(REMOTE)
    assert patch_of(fields | {"headers.Other": "v"}, REMOTE) == {"headers": {"Other": "v"}}
    del fields["headers.X-Key"]
    assert patch_of(fields, REMOTE) == {"headers": None}
    forwarded = {"command": "x", "env": ["A", "B"]}
    assert fields_of(forwarded)["forward"] == "A\nB"
    assert typed(forwarded, forward="A\n\n C ") == {"env": ["A", "C"]}
    assert typed(forwarded, forward="", env__A="v") == {"env": {"A": "v"}}


def test_the_file_of_another_client_is_changed_in_its_own_word() -> None:
    assert typed({"command": "x", "disabled": True}, enabled="on") == {"disabled": False}
    assert typed({"command": "x", "disabled": False}, enabled="") == {"disabled": True}
    assert typed({"command": "x", "disabled": True, "enabled": False}, enabled="on") == {
        "disabled": False,
        "enabled": True,
    }
    assert typed({"type": "local", "command": "x"}, endpoint="y") == {"command": "y"}
    assert fields_of({"type": "streamable-http", "url": "https://h"})["transport"] == "http"


def test_servers_that_are_not_reached_stay_so() -> None:
    mock: dict[str, Any] = {"mock": {"tools": []}}
    uplink = {"type": "uplink"}
    assert (fields_of(mock)["transport"], fields_of(uplink)["transport"]) == ("", "uplink")
    assert typed(mock, description="d") == {"description": "d"}
    assert typed(uplink, transport="stdio", endpoint="x") == {"type": None, "command": "x"}
    assert entry_of(fields_of(NEW) | {"transport": "uplink"}, {}) == {"type": "uplink"}


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        ({"endpoint": "say 'hello"}, "endpoint", "quotation mark"),
        ({"endpoint": "HTTPS://h.example/"}, "transport", "choose http or sse"),
        ({"endpoint": " "}, "endpoint", "a command is needed"),
        ({"transport": "sse", "endpoint": ""}, "endpoint", "a URL is needed"),
        ({"transport": "uplink"}, "endpoint", "clear it"),
        ({"forward": "A"}, "forward", "either names"),
    ],
)
def test_what_means_nothing_names_its_field(changes: dict[str, str], field: str, why: str) -> None:
    with pytest.raises(BadField, match=why) as caught:
        typed(STDIO, **changes)
    assert caught.value.name == field


def test_a_text_in_which_a_secret_is_hidden_is_not_written_back_without_it() -> None:
    shown = masked_fields({"command": "x", "description": "token=ghp_0123456789abcdefghij"}, hidden)
    assert shown["description"] == "token=***"
    with pytest.raises(BadField, match="write it anew") as caught:
        typed(shown, description="my token=***")
    assert caught.value.name == "description"
    assert typed(shown, description="mine") == {"description": "mine"}
    assert typed(shown, group="dev") == {"group": "dev"}


def test_transport_and_endpoint_are_one_question() -> None:
    base = fields_of({"command": "a"})
    mine, theirs = base | {"transport": "http", "endpoint": "https://h"}, base | {"endpoint": "a more"}
    assert clashes(base, mine, theirs) == ["endpoint"]
    assert merged(base, mine, theirs) == theirs
    assert merged(base, mine, theirs, ["endpoint"]) == mine
    assert clashes(base, mine, mine) == []


def test_of_a_secret_no_field_shows_more_than_that_there_is_one() -> None:
    for name in ("headers.X", "env.X", "oauth.clientSecret", "azure.clientSecret"):
        assert (shown_field(name, CANARY), shown_field(name, "${secret:s}")) == ("***", "${secret:s}")
    assert shown_field("endpoint", "https://h.example/?token=abcdefgh") == "https://h.example/?token=***"
    assert shown_field("name", "plain") == "plain"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ((), "endpoint"),
        (("args", 3), "endpoint"),
        (("type",), "endpoint"),
        (("env", 0), "forward"),
        (("env",), "forward"),
        (("env", "A"), "env.A"),
        (("headers", "X.Y"), "headers.X.Y"),
        (("oauth", "issuer"), "oauth.issuer"),
        (("oauth", "scopes", 1), "oauth.scopes"),
        (("oauth", "grant"), "signin"),
        (("azure",), "signin"),
        (("requireApproval",), "approval"),
        (("disabled",), "enabled"),
        (("group",), "group"),
        (("metadata", "x"), None),
        (("timeouts",), None),
    ],
)
def test_each_place_of_an_entry_has_its_field(path: tuple[str | int, ...], field: str | None) -> None:
    assert field_at(path) == field


def sent(entry: Entry, before: Sheet | None = None, **inputs: str) -> Sheet:
    """A form opened with `entry`, with this typed into it; `headers__0__value` is an input."""
    sheet = with_spare_rows(sheet_of(entry))
    return read_sheet(as_sent(sheet, **{name.replace("__", "."): text for name, text in inputs.items()}), before)


@requirement("PAGE-1:write-only")
def test_a_secret_is_replaced_removed_or_stays() -> None:
    entry = {**REMOTE, "oauth": {"clientId": "c", "clientSecret": "***"}}
    assert sent(entry).fields["headers.X-Key"] == "***"
    assert sent(entry, headers__0__value="new").fields["headers.X-Key"] == "new"
    assert "headers.X-Key" not in sent(entry, headers__0__off="on").fields
    assert sent(entry).fields["oauth.clientSecret"] == "***"
    assert sent(entry, oauth__clientSecret="new").fields["oauth.clientSecret"] == "new"
    gone = sent(entry, oauth__clientSecret__off="on")
    assert patch_of(gone.fields, entry) == {"oauth": {"clientSecret": None}}


@requirement("PAGE-1:write-only")
def test_what_was_typed_before_is_still_there_when_the_form_comes_back_without_it() -> None:
    first = with_spare_rows(
        sent(REMOTE, headers__0__value="a", headers__1__name="More", headers__1__value="b", oauth__clientSecret="c")
    )
    assert first.rows["headers"][:2] == (Row("X-Key", "a", "***"), Row("More", "b"))
    again = read_sheet(as_sent(first), first)
    assert again.fields == first.fields
    assert (again.fields["headers.X-Key"], again.fields["headers.More"]) == ("a", "b")
    renamed = read_sheet(as_sent(first, **{"headers.1.name": "Other"}), first)
    assert renamed.fields["headers.Other"] == "b"
    emptied = read_sheet(as_sent(first, **{"headers.1.name": ""}), first)
    assert {name for name in emptied.fields if name.startswith("headers.")} == {"headers.X-Key"}
    assert read_sheet(as_sent(first), None).fields["headers.X-Key"] == "***"


def test_a_name_that_is_there_twice_is_refused_at_its_input() -> None:
    with pytest.raises(BadField, match="twice") as caught:
        _ = sent(REMOTE, headers__1__name="X-Key", headers__1__value="v").fields
    assert caught.value.name == "headers.1.name"
    replaced = sent(REMOTE, headers__0__off="on", headers__1__name="X-Key", headers__1__value="v")
    assert replaced.fields["headers.X-Key"] == "v"


def test_blanks_around_a_name_are_a_slip() -> None:
    assert sent(STDIO, name=" Name ", group=" dev").fields["name"] == "Name"
    assert sent({**STDIO, "name": " odd "}).fields["name"] == " odd "


@pytest.mark.parametrize(
    "base",
    [
        "",
        "[]",
        "7",
        '{"name": 5}',
        '{"env": 7}',
        '{"args": [1], "command": "x"}',
        '{"requireApproval": []}',
        "[" * 9999,
    ],
)
def test_a_form_that_is_not_ours_is_refused(base: str) -> None:
    form = FormData({**dict(as_sent(sheet_of(STDIO))), "base": base})
    if base == '{"requireApproval": []}':
        assert read_sheet(form, None).base == {"requireApproval": []}  # it is nobody's but the sender's own
        return
    with pytest.raises(HttpProblem, match="not one of ours"):
        read_sheet(form, None)


@pytest.mark.parametrize("name", ["transport", "signin", "approval", "enabled"])
def test_a_choice_that_the_form_does_not_offer_is_refused(name: str) -> None:
    with pytest.raises(HttpProblem, match=f'"{name}"'):
        sent(STDIO, None, **{name: "other"})


def test_mistakes_stand_beside_their_inputs() -> None:
    sheet = sent(REMOTE, headers__1__name="Bad Name", headers__1__value="v")

    def at(code: str, *path: str | int) -> str:
        problem = Problem("error", code, "s", "detail", None, "hint", path)
        found = mistakes(sheet, "a", [problem])
        assert [one.text for one in found.all] == ["detail: hint"]
        return found.all[0].input

    assert at("bad-header-name", "mcpServers", "a", "headers", "Bad Name") == "headers.1.name"
    assert at("bad-header-value", "mcpServers", "a", "headers", "Bad Name") == "headers.1.value"
    assert at("bad-header-name", "mcpServers", "a", "headers", "X-Key") == "headers.0.value"
    assert at("bad-header-name", "mcpServers", "a", "headers", "Gone") == ""
    assert at("bad-id", "mcpServers", "a") == "id"
    assert at("no-transport", "mcpServers", "a") == "endpoint"
    assert at("bad-id", "mcpServers", "a", "group") == "group"
    assert at("bad-id", "groups", "x") == ""
    assert at("unknown-field", "mcpServers", "a", "metadata") == ""


def test_only_what_a_form_knows_is_carried_by_it() -> None:
    assert known({**REMOTE, "tools": {}, "name": "n"}) == {
        "url": REMOTE["url"],
        "headers": {"X-Key": "***"},
        "name": "n",
    }
    assert equal(
        apply({"tools": {}, **REMOTE}, typed({"tools": {}, **REMOTE}, name="n")), {"tools": {}, **REMOTE, "name": "n"}
    )


def test_a_new_form_is_a_command_that_asks() -> None:
    fields: Fields = fields_of(NEW)
    assert (fields["transport"], fields["enabled"], fields["approval"]) == ("stdio", "on", "")
    assert entry_of(fields | {"endpoint": "npx -y x", "name": "X"}, {}) == {
        "name": "X",
        "command": "npx",
        "args": ["-y", "x"],
    }
