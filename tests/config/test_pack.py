"""What of a document travels: its servers, their groups, and the values of the secrets they name."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.config.pack import NothingToPack, chosen, pack, references
from reconciler.config.unpack import check_payload
from reconciler.model.secret import SecretRef
from tests.requirements import requirement

pytestmark = requirement("PAGE-2:pack")

WRITTEN: dict[str, Any] = {
    "version": 1,
    "project": "desk",
    "envFile": ".env",
    "defaults": {"requireApproval": "writes"},
    "groups": {"dev": {"name": "Development"}, "ops": {"name": "Operations"}},
    "mcpServers": {
        "one": {"command": "x", "env": {"A": "${secret:one}", "B": "${env:HOME:-x}"}, "group": "dev"},
        "two": {"url": "https://two", "headers": {"K": "Key ${secret:two}${secret:gone}"}, "group": "undeclared"},
        "three": {"command": "x", "env": ["PATH"], "description": "${secret:shown}", "args": ["${file:a}", "${"]},
    },
}
STORED = {"one": "value-1", "two": "value-2", "shown": "not this", "@sign-in/one": "a token"}


def test_servers_travel_with_their_groups_and_the_values_of_their_secrets() -> None:
    packed = pack(WRITTEN, STORED.get)
    assert packed.payload == {
        "servers": WRITTEN["mcpServers"],
        "groups": {"dev": {"name": "Development"}},
        "secrets": {"one": "value-1", "two": "value-2"},
    }
    assert packed.missing == ("gone",)


def test_only_what_is_chosen_travels() -> None:
    packed = pack(chosen(WRITTEN, ["two"]), STORED.get)
    assert packed.payload == {
        "servers": {"two": WRITTEN["mcpServers"]["two"]},
        "groups": {},
        "secrets": {"two": "value-2"},
    }
    assert chosen(WRITTEN, None) == WRITTEN
    assert pack({"mcpServers": {"a": {"url": "https://a"}}}, STORED.get).payload["groups"] == {}


THEIRS: dict[str, Any] = {
    "mcpServers": {
        "off": {"url": "https://off", "disabled": True, "autoApprove": ["*"], "timeout": 60},
        "both": {"command": "x", "disabled": True, "enabled": True, "headers": {"K": "${secret:idle}"}},
        "kind": {"type": "streamable-http", "url": "https://kind", "headers": {"K": "${secret:one}"}, "group": "dev"},
    },
    "groups": {"dev": {"name": "Development", "colour": "red"}},
    "inputs": [],
}


def test_what_another_client_wrote_travels_in_our_words() -> None:
    packed = pack(THEIRS, STORED.get)
    assert packed.payload == {
        "servers": {
            "off": {"url": "https://off", "enabled": False},
            "both": {"command": "x", "enabled": True},
            "kind": {"type": "http", "url": "https://kind", "headers": {"K": "${secret:one}"}, "group": "dev"},
        },
        "groups": {"dev": {"name": "Development"}},
        "secrets": {"one": "value-1"},
    }
    check_payload(packed.payload)
    named = {(remark.name, remark.field) for remark in packed.left_out}
    assert named == {("off", "autoApprove"), ("off", "timeout"), ("both", "headers"), ("dev", "colour")}
    assert pack(WRITTEN, STORED.get).left_out == ()


@pytest.mark.parametrize(
    ("ids", "message", "hint"),
    [
        (["twoo"], 'there is no server "twoo"', 'did you mean "two"?'),
        (["one", "zzz"], 'there is no server "zzz"', "`reconciler status` shows the ids"),
        ([], "there is no server to export", "name one at least"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(ids: list[str], message: str, hint: str) -> None:
    with pytest.raises(NothingToPack) as refused:
        chosen(WRITTEN, ids)
    assert (str(refused.value), refused.value.hint) == (message, hint)
    with pytest.raises(NothingToPack):
        chosen({"mcpServers": {}}, None)


def test_the_references_of_a_server_are_those_that_are_looked_up() -> None:
    servers = WRITTEN["mcpServers"]
    assert list(references(servers["one"])) == [SecretRef("secret", "one"), SecretRef("env", "HOME", "x")]
    assert list(references(servers["three"])) == [SecretRef("env", "PATH"), SecretRef("file", "a")]
