"""What the file says now, for faces that show it and change it."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.project import Project
from reconciler.model.document import Document
from reconciler.problems import errors


@dataclass(frozen=True, slots=True)
class FileNow:
    """The document of the files, and their ETag. Of files with errors it is what was applied last."""

    document: Document
    etag: str


async def file_now(project: Project) -> FileNow:
    """Read it."""
    snapshot = await project.read()
    broken = errors(snapshot.reading.problems)
    document = project.ledger.document if broken else project.desired(snapshot)
    return FileNow(document, snapshot.etag)
