"""Commands on a disk without room: they name the place and the way out, and find the engine they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.store.namespace import run_with_mounts

pytestmark = [requirement("APPLY-1:full-disk"), pytest.mark.needs(MOUNTS)]


def test_start_apply_and_stop_name_the_place_and_the_way_out(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        import json
        from contextlib import suppress
        from tests.engine.desk import light

        disk, full = here / "disk", here / "disk" / "full"
        disk.mkdir()
        mount("-t", "tmpfs", "-o", "size=1m", "none", disk)
        os.environ["RECONCILER_STATE_DIR"] = str(disk / "state")
        file = here / "reconciler.yaml"

        def save(*options):
            servers = {"a": light("a", *options, requireApproval=False)}
            file.write_text(json.dumps({"project": "desk", "mcpServers": servers}))

        save()

        def fill():
            with suppress(OSError), full.open("wb", buffering=0) as file:
                while file.write(b"x" * 512):
                    pass

        def run(exit, *words, says=""):
            command = [sys.executable, "-m", "reconciler", *words, "-f", str(file)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            told = done.stdout + done.stderr
            assert done.returncode == exit and says in told, (words, done.returncode, told)
            assert "bug" not in told and "defect" not in told, told
            return told

        start = ("watch", "--detach", "--auto-approve", "--listen", "127.0.0.1:0")
        try:
            (disk / "state").mkdir()
            fill()
            room = "No space left on device; make room there"
            run(1, *start, says=room)
            full.unlink()
            run(0, *start, says="an engine follows")
            fill()
            run(0, "stop", says="the engine is stopped")
            fill()
            run(0, *start, says="an engine follows")
            for where in disk.glob("state/*/engine.json"):  # there may have been room for it
                where.unlink()
            run(0, "call", "a", "echo", '{"text": "hi"}', says="hi")
            fill()
            save("--mark", "2")
            assert "accepted.json cannot be written" in run(5, "apply", "--auto-approve", says=room)
        finally:
            subprocess.run([sys.executable, "-m", "reconciler", "stop", "-f", str(file)], capture_output=True)
        """,
    )
