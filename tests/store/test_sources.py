"""Which files a project is read from, what it is called, and files that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.events import MAX_BYTES
from reconciler.config.rules_names import ID, RESERVED_PROJECTS
from reconciler.problems import Problem
from reconciler.store.files import text_digest
from reconciler.store.sources import Sources, all_paths, find_file, local_overlay, project_name, read_sources

EMPTY = "version: 1\nmcpServers: {}\n"


def put(path: Path, text: str = EMPTY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def only_problem(path: Path) -> Problem:
    snapshot = read_sources(Sources(path, root=path.parent))
    assert snapshot.reading.written is None
    [problem] = snapshot.reading.problems
    return problem


# Which file


def test_the_file_is_found_upwards_to_the_root_of_the_checkout(tmp_path: Path) -> None:
    file = put(tmp_path / "reconciler.yaml")
    (tmp_path / ".git").mkdir()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_file(deep, tmp_path / "home") == file


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    put(tmp_path / "reconciler.yaml")
    near = put(tmp_path / "a" / "reconciler.yaml")
    assert find_file(tmp_path / "a", tmp_path / "home") == near


@pytest.mark.parametrize("checkout", ["directory", "worktree"])
def test_nothing_above_the_checkout_is_taken(tmp_path: Path, checkout: str) -> None:
    put(tmp_path / "reconciler.yaml")
    inner = tmp_path / "checkout"
    inner.mkdir()
    if checkout == "directory":
        (inner / ".git").mkdir()
    else:
        put(inner / ".git", "gitdir: elsewhere\n")
    assert find_file(inner, tmp_path / "home") is None


def test_without_one_the_user_wide_file_holds(tmp_path: Path) -> None:
    wide = put(tmp_path / "home" / ".config" / "reconciler" / "reconciler.yaml")
    (tmp_path / "work" / ".git").mkdir(parents=True)
    assert find_file(tmp_path / "work", tmp_path / "home") == wide


def test_a_directory_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").mkdir()
    (tmp_path / ".git").mkdir()
    assert find_file(tmp_path, tmp_path / "home") is None


def test_the_overlay_beside_the_file_is_laid_over_it_before_the_others(tmp_path: Path) -> None:
    main = put(tmp_path / "reconciler.yaml", "version: 1\nmcpServers: {a: {command: one}, b: {command: one}}\n")
    put(tmp_path / "reconciler.local.yaml", "mcpServers: {a: {command: two}, b: {command: two}}\n")
    named = put(tmp_path / "team.yaml", "mcpServers: {b: {command: three}}\n")
    snapshot = read_sources(Sources(main, (named,), tmp_path))
    assert list(snapshot.texts) == ["reconciler.yaml", "reconciler.local.yaml", "team.yaml"]
    servers = snapshot.reading.document().servers
    assert (servers["a"], servers["b"]) == ({"command": "two"}, {"command": "three"})


def test_an_overlay_that_is_not_there_is_not_missed_and_one_left_out_is_not_read(tmp_path: Path) -> None:
    main = put(tmp_path / "reconciler.yaml")
    assert Sources(main).paths == (main,)
    local = put(tmp_path / "reconciler.local.yaml")
    assert Sources(main).paths == (main, local)
    assert Sources(main, local=False).paths == (main,)


def test_an_overlay_that_leads_nowhere_is_a_problem(tmp_path: Path) -> None:
    main = put(tmp_path / "reconciler.yaml")
    local_overlay(main).symlink_to("nowhere.yaml")
    assert only_problem(main).detail == "reconciler.local.yaml: No such file or directory"


@pytest.mark.parametrize(
    ("name", "overlay", "lock"),
    [
        ("reconciler.yaml", "reconciler.local.yaml", "reconciler.lock"),
        ("acme.reconciler.yaml", "acme.reconciler.local.yaml", "acme.reconciler.lock"),
        (".mcp.json", ".mcp.local.json", ".mcp.lock"),
    ],
)
def test_what_stands_beside_a_file_is_named_after_it(name: str, overlay: str, lock: str) -> None:
    sources = Sources(Path("/work") / name)
    assert local_overlay(sources.main) == Path("/work") / overlay
    assert sources.lock == Path("/work") / lock


def test_every_file_that_could_matter_is_watched_also_one_that_is_not_there() -> None:
    main, team = Path("/w/reconciler.yaml"), Path("/w/team.yaml")
    assert all_paths([Sources(main, (team,))]) == [
        main,
        Path("/w/reconciler.local.yaml"),
        team,
        Path("/w/reconciler.lock"),
    ]


def test_a_path_is_shown_from_where_the_command_was_given() -> None:
    sources = Sources(Path("/work/a/reconciler.yaml"), root=Path("/work"))
    assert sources.shown(Path("/work/a/reconciler.yaml")) == "a/reconciler.yaml"
    assert sources.shown(Path("/etc/reconciler.yaml")) == "/etc/reconciler.yaml"


# The project's name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("acme-dev/reconciler.yaml", "acme-dev"),
        ("anything/acme.reconciler.yaml", "acme"),
        ("anything/acme.dev.reconciler.yaml", "acme.dev"),
        ("anything/my team.reconciler.yaml", "my-team"),
        ("acme/.reconciler.yaml", "acme"),
        ("acme/.mcp.json", "acme"),
        ("My Project (2)/reconciler.yaml", "My-Project--2"),
        ("a__b/reconciler.yaml", "a_b"),
        ("a_____b/reconciler.yaml", "a_b"),
        ("-.hidden.-/reconciler.yaml", "hidden"),
        ("über/reconciler.yaml", "ber"),
        ("日本/reconciler.yaml", "default"),
        ("x" * 80 + "/reconciler.yaml", "x" * 63),
        ("reconciler/reconciler.yaml", "reconciler-project"),
        ("API/reconciler.yaml", "API-project"),
    ],
)
def test_a_project_without_a_name_is_called_after_its_file_or_directory(tmp_path: Path, path: str, name: str) -> None:
    assert Sources(tmp_path / path).project == name


def test_the_directory_that_counts_is_the_one_behind_a_link(tmp_path: Path) -> None:
    real = put(tmp_path / "real" / "reconciler.yaml")
    link = tmp_path / "link"
    link.mkdir()
    (link / "reconciler.yaml").symlink_to(real)
    assert Sources(link / "reconciler.yaml").project == "real"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=90))
def test_whatever_a_directory_is_called_the_name_is_one_that_the_file_could_have(directory: str) -> None:
    name = Sources(Path("/nowhere") / directory / "reconciler.yaml").project
    assert ID.fullmatch(name) and "__" not in name
    assert name.lower() not in RESERVED_PROJECTS


def test_a_name_in_the_file_wins_as_long_as_the_file_can_be_read(tmp_path: Path) -> None:
    main = put(tmp_path / "reconciler.yaml", "version: 1\nproject: acme\nmcpServers: {}\n")
    assert project_name(Sources(main)) == "acme"
    put(main, "version: [\n")
    assert project_name(Sources(main)) == Sources(main).project


# Reading


def test_each_file_comes_with_the_digest_of_its_bytes(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    main.write_bytes(b"\xef\xbb\xbfversion: 1\r\nmcpServers: {}\r\n")
    snapshot = read_sources(Sources(main, root=tmp_path))
    assert snapshot.digests == (("reconciler.yaml", text_digest(main.read_bytes())),)
    assert snapshot.texts == {"reconciler.yaml": "version: 1\r\nmcpServers: {}\r\n"}
    assert snapshot.reading.problems == ()


def test_reading_changes_nothing(tmp_path: Path) -> None:
    main = put(tmp_path / "reconciler.yaml")
    before = main.stat()
    read_sources(Sources(main))
    after = main.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)
    assert list(tmp_path.iterdir()) == [main]


def test_a_missing_file_says_what_writes_one(tmp_path: Path) -> None:
    problem = only_problem(tmp_path / "reconciler.yaml")
    assert (problem.code, problem.hint) == ("unreadable-file", "`reconciler init` writes one")


def test_a_directory_is_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "reconciler.yaml").mkdir()
    assert only_problem(tmp_path / "reconciler.yaml").code == "unreadable-file"


def test_links_in_a_circle_are_an_unreadable_file(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    main.symlink_to(main.name)
    problem = only_problem(main)
    assert problem.code == "unreadable-file"
    assert "symbolic links" in problem.detail


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"\xff\xfev\x00", 1, 1),
        (b"version: 1\nname: caf\xe9\n", 2, 10),
        ("version: 1\n# grüße\nname: ".encode() + b"\x80", 3, 7),
        ("# grüße ".encode() + b"\xfc", 1, 9),
        (b"\xef\xbb\xbfa: \xfc\n", 1, 4),
    ],
)
def test_what_is_not_utf_8_is_named_with_its_place_in_characters(
    tmp_path: Path, data: bytes, line: int, column: int
) -> None:
    (tmp_path / "reconciler.yaml").write_bytes(data)
    problem = only_problem(tmp_path / "reconciler.yaml")
    assert problem.code == "not-utf-8"
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (line, column)
    assert re.fullmatch(r"byte 0x[0-9a-f]{2} is not UTF-8", problem.detail)


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_refused(tmp_path: Path) -> None:
    main = put(tmp_path / "reconciler.yaml", EMPTY + "#" * (MAX_BYTES - len(EMPTY)))
    assert read_sources(Sources(main)).reading.problems == ()
    with main.open("a", encoding="utf-8") as file:
        file.write("#")
    assert only_problem(main).code == "file-too-large"


def test_a_file_without_an_end_is_too_large(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    main.symlink_to("/dev/zero")
    assert only_problem(main).code == "file-too-large"


def test_all_unreadable_files_are_reported_together(tmp_path: Path) -> None:
    main = tmp_path / "reconciler.yaml"
    main.write_bytes(b"\xff")
    snapshot = read_sources(Sources(main, (tmp_path / "one.yaml", tmp_path / "two.yaml"), tmp_path))
    assert [problem.code for problem in snapshot.reading.problems] == [
        "unreadable-file",
        "unreadable-file",
        "not-utf-8",
    ]
