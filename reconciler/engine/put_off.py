"""What the disk refused was put off: it is written once there is room, also where no file is followed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from reconciler.engine.project import Project

LOOK_SECONDS = 5.0


async def catch_up(project: Project) -> None:
    """Write later what could not be written at its time, until cancelled: records, and which servers got ready.

    An apply that was refused is not tried again here: whoever asked for it was told.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        with suppress(OSError):
            await project.records.catch_up()
            if project.ledger.refused:
                await _remember_ready(project)


async def _remember_ready(project: Project) -> None:
    ledger = project.ledger
    ledger.refused = False
    for server_id in ledger.document.servers:
        live, wanted = project.serving(server_id), project.wanted(server_id)
        if live is not None and wanted is not None and live.server.spec == wanted.spec:
            ledger.remember_ready(server_id)
    await ledger.commit()
