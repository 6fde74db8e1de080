"""Servers out of a project and into it, sealed: the file, the vault and the one door, brought together."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from reconciler.canonical import digest
from reconciler.config.unpack import Merged, merge
from reconciler.engine.door import Changed, ChangeRefused, Prospect, change, prospect, vault_says
from reconciler.engine.events import now_text
from reconciler.engine.project import Project
from reconciler.gate.principal import Principal
from reconciler.model.document import Document
from reconciler.model.secret import SecretRef
from reconciler.plan.document import plan_id
from reconciler.problems import Problem, errors
from reconciler.store.export_kinds import Kind
from reconciler.store.portable import Opened, SealedServers, seal_servers
from reconciler.store.vault import VaultError


class FileInvalid(Exception):
    """The files have errors (`problems`), and nothing is taken from them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("the configuration has errors")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would do, and what that would cause."""

    merged: Merged
    prospect: Prospect

    @property
    def id(self) -> str:
        """Equal for imports that do the same and cause the same, but for values of secrets."""
        return digest([self.merged.digest, plan_id(self.prospect.plan)])


async def export_servers(
    project: Project, ids: Collection[str] | None, passphrase: str, kind: Kind, principal: Principal
) -> SealedServers:
    """Servers of the file with their stored secrets, all for None.

    Raises FileInvalid, VaultError, OSError, and what `seal_servers` raises.
    """
    reading = (await project.read()).reading
    if reading.written is None:
        raise FileInvalid(tuple(errors(reading.problems)))
    stored, created = project.vault.get, now_text()
    sealed = await asyncio.to_thread(
        seal_servers, reading.written, ids, passphrase, kind=kind, stored=stored, created=created
    )
    count = len(sealed.servers)
    project.events.say("exported", f"{principal.name} exported {count} server{'s' if count != 1 else ''}, sealed")
    return sealed


async def preview_import(project: Project, opened: Opened, principal: Principal, run: Collection[str] = ()) -> Preview:
    """What an import would do; nothing is changed. `run` are the ids of servers that are wanted on.

    Raises ChangeRefused, NoSuchServer.
    """
    merged = await _merged(project, opened, run)
    fresh, secrets = merged.brought.fresh, merged.secrets
    found = await prospect(project, merged.patch, if_match=None, principal=principal, fresh=fresh, secrets=secrets)
    return Preview(merged, found)


async def import_servers(
    project: Project,
    opened: Opened,
    principal: Principal,
    run: Collection[str] = (),
    *,
    expected: str | None = None,
) -> tuple[Merged, Changed]:
    """Do it, by one patch. `expected` is the id of the preview that somebody was shown, with the same `run`.

    Raises ChangeRefused, `moved` where it would do something else by now; NoSuchServer.
    """
    found = await preview_import(project, opened, principal, run)
    if expected not in (None, found.id):
        raise ChangeRefused("moved", "it would do something else by now than what was shown")
    merged, plan = found.merged, plan_id(found.prospect.plan) if expected is not None else None
    fresh, secrets = merged.brought.fresh, merged.secrets
    changed = await change(
        project, merged.patch, if_match=None, principal=principal, wait=0, fresh=fresh, secrets=secrets, expected=plan
    )
    return merged, changed


async def _merged(project: Project, opened: Opened, run: Collection[str]) -> Merged:
    written = (await project.read()).reading.written or {
        "mcpServers": {}
    }  # with errors nothing comes: the door says so
    document = Document(written)

    def has(reference: SecretRef) -> bool:
        return project.environment.has(document, reference)

    try:
        return await asyncio.to_thread(merge, written, opened.payload, stored=project.vault.get, has=has, run=run)
    except (VaultError, OSError) as error:
        raise vault_says(error) from error
