"""What the file says now, for faces that show it and change it."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.project import Project
from reconciler.model.document import Document
from reconciler.problems import errors
from reconciler.store.files import text_digest


@dataclass(frozen=True, slots=True)
class FileNow:
    """The document of the file, and the digest of its text. Of a file with errors it is what was applied last."""

    document: Document
    digest: str


async def file_now(project: Project) -> FileNow:
    """Read it."""
    snapshot = await project.read()
    text = snapshot.texts.get(project.sources.shown(project.sources.main), "")
    broken = errors(snapshot.reading.problems)
    document = project.ledger.document if broken else project.desired(snapshot)
    return FileNow(document, text_digest(text.encode("utf-8")))
