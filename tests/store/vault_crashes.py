"""A change of the vault, killed with SIGKILL at one line after the other: what was acknowledged is still there.

`python -m tests.store.vault_crashes [STRIDE]`: every STRIDE-th line; ends with 1 when something is not as it must be.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from reconciler.store import files
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault

STORE = str(Path(files.__file__).parent)
BEFORE = {"ONE": "first value", "TWO": "second value", "@sign-in/desk/x": "token"}
NEW = "another value"

CHANGES: dict[str, Callable[[Vault], object]] = {
    "first": lambda vault: vault.put("ONE", NEW),
    "put": lambda vault: vault.put("ONE", NEW),
    "remove": lambda vault: vault.remove("ONE"),
    "rotate": lambda vault: vault.rotate(),
}
"""Each begins with BEFORE, but for the first secret of all, which begins with nothing."""


def killed_at(count: int, folder: Path, change: Callable[[Vault], object]) -> bool:
    """Make the change in a process of its own, which kills itself at its line `count`; whether it came so far."""
    child = os.fork()
    if child == 0:
        vault = Vault(StateDir(folder))
        sys.settrace(_killing(count))
        change(vault)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _killing(count: int) -> Any:
    left = count

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(STORE):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def check(folder: Path, name: str) -> str:
    """What the next process finds: `before` or `after`, whole, and fit for further changes. Raises AssertionError."""
    vault, expected = Vault(StateDir(folder)), {} if name == "first" else BEFORE
    for other in expected.keys() - {"ONE"}:
        assert vault.get(other) == BEFORE[other], other
    one = vault.get("ONE")
    after = {"remove": None, "rotate": BEFORE["ONE"]}.get(name, NEW)
    assert one in (expected.get("ONE"), after), one
    vault.put("THREE", "third")
    vault.rotate()
    again = Vault(StateDir(folder))
    kept = {each: again.get(each) for each in (*expected, "ONE", "THREE")}
    assert kept == {**expected, "ONE": one, "THREE": "third"}
    return "after" if one == after else "before"


def campaign(folder: Path, stride: int) -> dict[str, list[str]]:
    """What was found after each kill, by change."""
    begun = folder / "begun"
    Vault(StateDir(begun)).put_all(BEFORE)
    found: dict[str, list[str]] = {}
    for name, change in CHANGES.items():
        found[name] = []
        count, alive = 1, True
        while alive:
            at = folder / f"{name}-{count}"
            if name != "first":
                shutil.copytree(begun, at)
            alive = killed_at(count, at, change)
            found[name].append(check(at, name))
            shutil.rmtree(at)
            count += stride
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for title, states in campaign(Path(made), int(sys.argv[1]) if len(sys.argv) > 1 else 1).items():
            print(title, len(states) - 1, states.count("before"), states.count("after"))
