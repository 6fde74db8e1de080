"""The shape of the package: imports point down the rows, the pure rows stay pure, and nothing grows past its limits."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "reconciler"

# Top first. A module imports from its own folder and from the rows below, never sideways or up.
ROWS = [
    ("faces.cli",),
    ("faces.page",),
    ("faces.api",),
    ("faces.gateway",),
    ("faces.http", "faces.bridge", "client"),
    ("engine",),
    ("gate",),
    ("sessions",),
    ("store",),
    ("config", "plan"),
    ("model",),
    ("merge_patch", "canonical", "problems"),
]
PURE = {"config", "plan", "model", "merge_patch", "canonical", "problems"}
EFFECTS = {
    *("asyncio", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"),
    *("selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time"),
}
PURE_LIBRARIES = set(sys.stdlib_module_names) - EFFECTS | {"pydantic", "ruamel", "yaml", "jsonschema", "reconciler"}
PURE_NAMES = {"io.StringIO", "pathlib.PurePath", "pathlib.PurePosixPath"}  # values, although their modules do effects
PROTOCOL_LIBRARY = ("mcp", "mcp_types")

# The only imports inside functions: (folder, what is imported), with the reason.
DOORS = {
    ("sessions", "reconciler.sessions.remote"),  # it imports mcp, which costs most of a second
    ("sessions", "reconciler.sessions.sign_in.machine_tokens"),  # so does this
    ("sessions", "reconciler.sessions.sign_in.sdk_oauth"),  # and this
    ("sessions", "mcp"),
    ("store", "cryptography"),  # only a state with a key in it needs it
    ("store", "keyring"),  # an optional library, and only a vault whose key is there needs it
    ("faces.cli", "reconciler.faces.cli.engine"),  # it holds the whole engine and its server
    ("faces.cli", "reconciler.faces.cli.listeners"),  # the faces are loaded while the servers start
    ("faces.cli", "reconciler.faces.cli.hosting"),  # a bridge starts in no time where an engine runs
    ("faces.cli", "reconciler.faces.cli.reach"),
    ("faces.cli", "rich"),  # only what draws pays for it
}

VERSION = "reconciler.__version__"  # below every row
WITHOUT_A_ROW = {"reconciler", "reconciler.__main__", "reconciler.faces"}
LONGEST_FUNCTION = 60
LONG_FUNCTION = 35
LONGEST_FILE = 400


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its text and its syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        return folder(self.name)


@dataclass(frozen=True)
class Import:
    """One imported name; `inside` is true within a function."""

    module: Module
    name: str
    inside: bool
    level: int

    def __str__(self) -> str:
        return f"{self.module.name} imports {self.name}"


def folder(dotted: str) -> str:
    """The row entry a module belongs to: `reconciler.faces.api.routes` -> `faces.api`."""
    parts = dotted.removeprefix("reconciler.").split(".")
    return ".".join(parts[:2]) if parts[0] == "faces" else parts[0]


def row(name: str) -> int | None:
    """The index of a folder's row, None when it has none."""
    return next((index for index, names in enumerate(ROWS) if name in names), None)


@cache
def modules() -> tuple[Module, ...]:
    return tuple(_module(path) for path in sorted(PACKAGE.rglob("*.py")))


def _module(path: Path) -> Module:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text(encoding="utf-8")
    return Module(name, path, text, ast.parse(text))


@cache
def imports() -> tuple[Import, ...]:
    return tuple(found for module in modules() for found in _imports(module, module.tree, False))


def _imports(module: Module, tree: ast.AST, inside: bool) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, inside, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module or ''}.{alias.name}" for alias in node.names)
            yield from (Import(module, name, inside, node.level) for name in names)
        else:
            within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, node, within)


def functions() -> Iterator[tuple[str, int]]:
    """Every function with its place and its length in lines, from `def` to its last line."""
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module.name}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_module_has_a_row() -> None:
    assert [m.name for m in modules() if m.name not in WITHOUT_A_ROW and row(m.folder) is None] == []


def test_imports_point_down_the_rows() -> None:
    wrong = [
        str(each)
        for each in imports()
        if each.name.startswith("reconciler.")
        and each.name != VERSION
        and each.module.name not in WITHOUT_A_ROW
        and (there := folder(each.name)) != each.module.folder
        and not _below(there, each.module.folder)
    ]
    assert wrong == []


def _below(there: str, here: str) -> bool:
    lower, upper = row(there), row(here)
    return lower is not None and upper is not None and lower > upper


def test_no_module_imports_itself_in_a_circle() -> None:
    names = {module.name for module in modules()}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for each in imports():
        target = each.name if each.name in names else each.name.rpartition(".")[0]
        if target in names and target != each.module.name and not each.inside:
            graph[each.module.name].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        raise AssertionError(" -> ".join(circle.args[1])) from None


def test_the_pure_rows_import_only_pure_libraries() -> None:
    wrong = [
        str(each)
        for each in imports()
        if each.module.folder in PURE and each.name not in PURE_NAMES and each.name.split(".")[0] not in PURE_LIBRARIES
    ]
    assert wrong == []


def test_the_pure_rows_open_no_file_and_read_no_clock() -> None:
    forbidden = re.compile(
        r"open|input|eval|exec|__import__|.*\.(open|now|utcnow|today|read_text|read_bytes|write_text)"
    )
    wrong = [
        f"{module.name}:{node.lineno} {ast.unparse(node.func)}"
        for module in modules()
        if module.folder in PURE
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and forbidden.fullmatch(ast.unparse(node.func))
    ]
    assert wrong == []


def test_only_sessions_know_the_protocol_library() -> None:
    wrong = [
        str(each)
        for each in imports()
        if each.name.split(".")[0] in PROTOCOL_LIBRARY and each.module.folder != "sessions"
    ]
    assert wrong == []


def test_imports_are_absolute() -> None:
    assert [str(each) for each in imports() if each.level > 0] == []


def test_imports_stand_at_the_top_but_for_the_listed_doors() -> None:
    assert [str(each) for each in imports() if each.inside and not _is_a_door(each)] == []


def _is_a_door(each: Import) -> bool:
    return any(
        each.module.folder == here and (each.name == target or each.name.startswith(f"{target}."))
        for here, target in DOORS
    )


def test_every_module_starts_by_saying_where_it_stands() -> None:
    wrong = [m.name for m in modules() if not m.text.startswith('"""') or not ast.get_docstring(m.tree)]
    assert wrong == []


def test_functions_are_short() -> None:
    lengths = dict(functions())
    longest = {place: length for place, length in lengths.items() if length > LONGEST_FUNCTION}
    long = [place for place, length in lengths.items() if length > LONG_FUNCTION]
    assert longest == {}
    assert len(long) <= len(lengths) / 10, f"more than one in ten is over {LONG_FUNCTION} lines: {long}"


def test_files_hold_one_noun() -> None:
    lengths = {module.name: module.text.count("\n") for module in modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_the_map_names_every_room() -> None:
    drawing = _block(0)
    rooms = {module.folder for module in modules() if module.name not in WITHOUT_A_ROW}
    names = {_as_drawn(room.rpartition(".")[2]) for room in rooms}
    assert sorted(name for name in names if not re.search(rf"(?<![\w/]){re.escape(name)}", drawing)) == []


def _as_drawn(room: str) -> str:
    inside = (PACKAGE / room, PACKAGE / "faces" / room)
    return f"{room}/" if any(path.is_dir() for path in inside) else f"{room}.py"


def test_the_map_draws_these_rows() -> None:
    drawn = [tuple(line.partition("--")[0].replace("|", " ").split()) for line in _block(1).splitlines()]
    assert drawn == [names for names in ROWS if names in drawn]
    undrawn = {name for names in ROWS if names not in drawn for name in names}
    assert undrawn & {module.folder for module in modules()} == set()


def _block(index: int) -> str:
    """The text of one of the fenced blocks of the map: the drawing, then the rows."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[index].rstrip()
