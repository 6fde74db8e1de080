"""An engine's process holds on to what it will need again, and no more; tried in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from tests.needs import GLIBC
from tests.requirements import requirement

pytestmark = requirement("GATE-1:connections")
MIB = 2**20


def tried(program: str) -> dict[str, int]:
    """What a program says of itself, in one line of JSON."""
    words = [sys.executable, "-c", textwrap.dedent(program)]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    found: dict[str, int] = json.loads(said)
    return found


def test_what_is_loaded_is_searched_for_rings_no_more_and_what_comes_later_is() -> None:
    found = tried("""
        import gc, json, weakref
        from reconciler.faces.cli.memory import collect_like_an_engine, keep_what_is_loaded

        class Ring:
            pass

        collect_like_an_engine()
        before = len(gc.get_objects())
        keep_what_is_loaded()
        ring = Ring()
        ring.itself, gone = ring, weakref.ref(ring)
        del ring
        gc.collect()
        print(json.dumps({"before": before, "kept": gc.get_freeze_count(), "ring": gone() is not None}))
    """)
    assert found["kept"] >= found["before"] > 1000
    assert not found["ring"]


@pytest.mark.needs(GLIBC)
def test_the_pages_of_a_large_message_are_used_again() -> None:
    found = tried("""
        import asyncio, json, resource
        from anyio.lowlevel import checkpoint
        from reconciler.faces.cli.memory import give_back

        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            held = [bytes(1) * 3 * 2**20 for _ in range(4)]
            del held
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        async def main():
            task = asyncio.create_task(give_back())
            await checkpoint()
            print(json.dumps({"first": faults(), "again": faults()}))
            task.cancel()

        asyncio.run(main())
    """)
    assert found["again"] < found["first"] / 10


@pytest.mark.needs(GLIBC)
def test_of_a_flood_of_large_messages_nothing_stays_whatever_small_came_after_it() -> None:
    found = tried("""
        import asyncio, json
        from anyio.lowlevel import checkpoint
        from reconciler.faces.cli import memory
        from tests.waiting import come_true

        async def main():
            memory._LOOK_SECONDS = 0.01
            task = asyncio.create_task(memory.give_back())
            await checkpoint()
            before = memory._resident()
            flood = [bytes(1) * 3 * 2**20 for _ in range(50)]
            most = memory._resident()
            after = [bytes(1) * 1000 for _ in range(100)]
            del flood
            pinned = memory._resident()
            await come_true(lambda: memory._resident() < before + 16 * 2**20, 30)
            left = memory._resident() - before
            print(json.dumps({"flood": most - before, "pinned": pinned - before, "left": left}))
            task.cancel()

        asyncio.run(main())
    """)
    assert found["flood"] > 140 * MIB
    assert found["pinned"] > 100 * MIB
    assert found["left"] < 16 * MIB
