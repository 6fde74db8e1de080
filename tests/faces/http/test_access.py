"""Who may come in, decided from a request's scope."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from reconciler.faces.http.access import FAILURES, LOCAL, OWNER, Door, Failures, principal_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal
from tests.requirements import requirement

GOOD_TOKEN = b"rcl_good"
SOMEBODY = Principal("somebody", "client")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Project:
    """A project that knows one token."""

    @property
    def tokens(self) -> Project:
        return self

    def check(self, bearer: bytes, /) -> Principal | None:
        return SOMEBODY if bearer == GOOD_TOKEN else None


def scope(
    door: Door, *headers: tuple[bytes, bytes], path: bytes = b"/", query: bytes = b"", peer: str = "127.0.0.1"
) -> dict[str, Any]:
    return {
        "type": "http",
        "door": door,
        "headers": list(headers),
        "raw_path": path,
        "query_string": query,
        "client": (peer, 4711),
    }


def door(*, local: bool = False, failures: Failures | None = None, **names: Any) -> Door:
    return Door(local=local, failures=failures or Failures(), **names)


def refusal(at: Door, *headers: tuple[bytes, bytes], path: bytes = b"/") -> tuple[int, str] | None:
    try:
        at.admit(scope(at, *headers, path=path))
    except HttpProblem as problem:
        return problem.status, problem.body["error"]["code"]
    return None


def asked(at: Door, *headers: tuple[bytes, bytes], local: Principal = LOCAL, **facts: Any) -> Principal | HttpProblem:
    try:
        return principal_of(scope(at, *headers, **facts), Project(), local)
    except HttpProblem as problem:
        return problem


GOOD_HOSTS = [
    "localhost",
    "localhost:7717",
    "localhost:1",
    "localhost:65535",
    "LocalHost:7717",
    "127.0.0.1",
    "127.0.0.1:7717",
    "127.0.0.1:80",
    "[::1]",
    "[::1]:7717",
    "box.example.com",
    "box.example.com:7717",
    "mcp.example.org",
    "mcp.example.org:443",
]
WRONG_HOSTS = [
    "evil.example",
    "evil.example:7717",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io:7717",
    "localhost.",
    "localhost.:7717",
    "127.0.0.1.",
    "127.0.0.2",
    "127.1",
    "127.000.000.001",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",
    "0",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "::1",
    "localhost:65536",
    "localhost:99999",
    "localhost:",
    "localhost:+80",
    "localhost:80:80",
    "localhost:７７１７",
    "localhost: 80",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost\tevil",
    "evil.example@localhost",
    "localhost@evil.example",
    "localhost#@evil.example",
    "localhost?.evil.example",
    "localhost/evil.example",
    "localhost\\.evil.example",
    "http://localhost",
    "//localhost",
    "ⓛocalhost",
    "ſocalhost",
    "xn--localhost-",
    "localhost%00.evil",
    "localhost\x00",
    "[::1",
    "::1]",
    "[::1]x",
    "[::1%25eth0]",
    "[localhost]",
    "",
    " ",
    ".",
    "mcp.example.org.evil.example",
    "sub.mcp.example.org",
    "a" * 300,
]


@requirement("GATE-1:host-origin")
class TestHost:
    at: ClassVar[dict[str, Any]] = {"public_url": "https://mcp.example.org", "hosts": ("Box.example.com",)}

    @pytest.mark.parametrize("host", GOOD_HOSTS)
    def test_our_own_names_are_admitted_with_any_port(self, host: str) -> None:
        here = door(**self.at)
        assert refusal(here, (b"host", host.encode())) is None
        assert refusal(here, (b"host", host.encode())) is None, "and again, from memory"

    @pytest.mark.parametrize("host", WRONG_HOSTS)
    def test_every_other_spelling_is_refused(self, host: str) -> None:
        here = door(**self.at)
        for good in GOOD_HOSTS:
            assert refusal(here, (b"host", good.encode())) is None
        for _ in range(2):
            refused = refusal(here, (b"host", host.encode("utf-8")))
            assert refused in ((421, "wrong-host"), (400, "bad-host"))

    def test_there_is_one_host(self) -> None:
        here, host = door(), (b"host", b"localhost")
        assert refusal(here) == (400, "bad-host")
        assert refusal(here, host, host) == (400, "bad-host")
        assert refusal(here, host, (b"host", b"evil.example")) == (400, "bad-host")
        assert refusal(here, (b"host", b"evil.example"), host, host) == (400, "bad-host")
        assert refusal(here, (b"x-forwarded-host", b"evil.example"), host) is None, "nothing else is believed"
        assert refusal(here, (b"x-forwarded-host", b"localhost"), (b"host", b"evil.example")) == (421, "wrong-host")

    def test_names_that_were_not_given_are_not_ours(self) -> None:
        assert refusal(door(), (b"host", b"box.example.com")) == (421, "wrong-host")
        assert refusal(door(hosts=("[2001:db8::1]",)), (b"host", b"[2001:db8::1]:80")) is None
        assert refusal(door(public_url="https://[2001:db8::1]:8443"), (b"host", b"[2001:DB8::1]:8443")) is None

    def test_what_is_remembered_of_good_spellings_is_bounded(self) -> None:
        here = door()
        for port in range(2000):
            assert refusal(here, (b"host", b"localhost:%d" % port)) is None
        assert len(here._seen) <= 256  # nothing else shows it

    @pytest.mark.parametrize("target", [b"http://localhost/mcp", b"*", b"localhost:7717", b"", b"mcp"])
    def test_a_target_is_a_path(self, target: bytes) -> None:
        assert refusal(door(), (b"host", b"localhost"), path=target) == (400, "bad-target")


@requirement("GATE-1:host-origin")
class TestOrigin:
    @pytest.mark.parametrize(
        "origin",
        [
            "http://localhost:6274",
            "http://127.0.0.1",
            "https://localhost:3000",
            "http://[::1]:80",
            "https://mcp.example.org",
            "http://box.example.com:7717",
        ],
    )
    def test_pages_of_this_machine_and_our_own_are_admitted(self, origin: str) -> None:
        here = door(public_url="https://mcp.example.org/", hosts=("box.example.com",))
        assert refusal(here, (b"host", b"box.example.com:7717"), (b"origin", origin.encode())) is None

    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "",
            "https://evil.example",
            "http://mcp.example.org",
            "https://mcp.example.org:8443",
            "https://mcp.example.org.evil.example",
            "https://sub.mcp.example.org",
            "http://box.example.com:7718",
            "http://box.example.com",
            "http://localhost.evil.example",
            "http://localhost@evil.example",
            "http://evil.example#localhost",
            "http://localhost/x",
            "file://localhost",
            "chrome-extension://abcdefghijklmnop",
            "localhost",
            "://localhost",
            "http://",
            "http://localhost http://evil.example",
        ],
    )
    def test_pages_of_anywhere_else_are_refused(self, origin: str) -> None:
        here = door(public_url="https://mcp.example.org", hosts=("box.example.com",))
        refused = refusal(here, (b"host", b"box.example.com:7717"), (b"origin", origin.encode()))
        assert refused == (403, "wrong-origin")

    def test_an_origin_is_no_better_for_being_said_twice(self) -> None:
        good = (b"origin", b"http://localhost")
        assert refusal(door(), (b"host", b"localhost"), good, good) == (403, "wrong-origin")

    def test_what_a_browser_calls_cross_site_is_refused_also_without_an_origin(self) -> None:
        host = (b"host", b"localhost")
        assert refusal(door(), host, (b"sec-fetch-site", b"cross-site")) == (403, "cross-site")
        for site in (b"none", b"same-origin", b"same-site"):
            assert refusal(door(), host, (b"sec-fetch-site", site)) is None

    def test_a_wrong_name_is_refused_before_a_page_is(self) -> None:
        refused = refusal(door(), (b"host", b"evil.example"), (b"origin", b"https://evil.example"))
        assert refused == (421, "wrong-host")


@requirement("GATE-1:tokens")
class TestBearer:
    def test_a_good_token_is_its_principal_and_the_scope_keeps_it(self) -> None:
        request = scope(door(), (b"authorization", b"Bearer " + GOOD_TOKEN))
        assert principal_of(request, Project()) is SOMEBODY
        assert request["principal"] is SOMEBODY

    @pytest.mark.parametrize("scheme", [b"bearer ", b"BEARER "])
    def test_the_scheme_is_spelt_in_any_case(self, scheme: bytes) -> None:
        assert principal_of(scope(door(), (b"authorization", scheme + GOOD_TOKEN)), Project()) is SOMEBODY

    @pytest.mark.parametrize(
        "shown",
        [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer  rcl_good",
            b" Bearer rcl_good",
            b"Bearer rcl_good ",
            b"Bearer\trcl_good",
            b"Bearer rcl_Good",
            b"Bearer rcl_goo",
            b"Bearer rcl_goodx",
            b"Bearer good",
            b"Bearer rcl_good,Bearer rcl_good",
            b"Basic cmNsX2dvb2Q=",
            b"rcl_good",
        ],
    )
    def test_anything_but_exactly_that_is_401(self, shown: bytes) -> None:
        refused = asked(door(), (b"authorization", shown))
        assert isinstance(refused, HttpProblem)
        assert (refused.status, refused.headers) == (401, {"www-authenticate": "Bearer"})
        assert "rcl_" not in str(refused)

    def test_a_token_elsewhere_is_no_token(self) -> None:
        for headers, query in (
            ((), b"token=rcl_good&access_token=rcl_good"),
            (((b"cookie", b"token=rcl_good"),), b""),
            (((b"x-authorization", b"Bearer rcl_good"), (b"proxy-authorization", b"Bearer rcl_good")), b""),
        ):
            refused = asked(door(), *headers, query=query)
            assert isinstance(refused, HttpProblem)
            assert refused.status == 401

    def test_two_are_none_also_when_both_are_good(self) -> None:
        shown = (b"authorization", b"Bearer " + GOOD_TOKEN)
        refused = asked(door(), shown, shown)
        assert isinstance(refused, HttpProblem)
        assert refused.status == 401

    def test_the_owners_socket_needs_none_but_one_that_is_shown_counts(self) -> None:
        here = door(local=True)
        assert asked(here) is LOCAL
        assert asked(here, local=OWNER) is OWNER
        assert asked(here, (b"authorization", b"Bearer " + GOOD_TOKEN), local=OWNER) is SOMEBODY
        refused = asked(here, (b"authorization", b"Bearer rcl_bad"), local=OWNER)
        assert isinstance(refused, HttpProblem)
        assert refused.status == 401


@requirement("GATE-1:tokens")
class TestFailures:
    wrong = (b"authorization", b"Bearer rcl_bad")

    def statuses(self, at: Door, times: int, peer: str = "192.0.2.1") -> list[int]:
        found = [asked(at, self.wrong, peer=peer) for _ in range(times)]
        return [problem.status for problem in found if isinstance(problem, HttpProblem)]

    def test_ten_in_a_minute_are_refused_and_the_next_is_told_to_wait(self) -> None:
        clock = Clock()
        here = door(failures=Failures(clock))
        assert self.statuses(here, FAILURES + 2) == [401] * 10 + [429] * 2
        refused = asked(here, self.wrong, peer="192.0.2.1")
        assert isinstance(refused, HttpProblem)
        assert refused.headers == {"retry-after": "61"}
        clock.now += 59.9
        assert self.statuses(here, 1) == [429]
        clock.now += 0.1
        assert self.statuses(here, 1) == [401]

    def test_the_minute_slides(self) -> None:
        clock = Clock()
        here = door(failures=Failures(clock))
        for _ in range(FAILURES):
            assert self.statuses(here, 1) == [401]
            clock.now += 7
        assert self.statuses(here, 5) == [401] * 2 + [429] * 3, "those of the last minute count"

    def test_a_good_token_is_never_refused_because_of_others(self) -> None:
        here = door()
        self.statuses(here, 50)
        assert asked(here, (b"authorization", b"Bearer " + GOOD_TOKEN), peer="192.0.2.1") is SOMEBODY

    def test_other_addresses_are_not_concerned(self) -> None:
        here = door()
        self.statuses(here, 50)
        assert self.statuses(here, 1, peer="192.0.2.2") == [401]

    def test_showing_none_is_not_guessing(self) -> None:
        here = door()
        for _ in range(50):
            missing = asked(here, peer="192.0.2.1")
            assert isinstance(missing, HttpProblem)
            assert missing.status == 401
        assert self.statuses(here, 1) == [401]

    def test_what_is_remembered_of_addresses_is_bounded(self) -> None:
        failures = Failures(Clock())
        for number in range(10_000):
            failures.refuse(f"2001:db8::{number:x}")
        assert len(failures._times) <= 4096  # nothing else shows it
        assert [failures.refuse("2001:db8::270f").status for _ in range(11)][-1] == 429
