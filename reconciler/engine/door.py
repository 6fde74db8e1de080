"""The one door through which a face changes the file: a patch to its text, and exactly that patch to what is accepted.

Other edits of the file that were not taken up yet stay so. The file stays the source of truth.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from reconciler.engine.apart import accepted_with
from reconciler.engine.change import Applied, apply_apart, plan_to, show_waiting
from reconciler.engine.events import now_text
from reconciler.engine.holds import held_by, unseen
from reconciler.engine.one_file import Into, keep_own_out, name_of, rewrite_into
from reconciler.engine.pending import Marks, Pending, waiting_marks
from reconciler.engine.project import Project
from reconciler.engine.put_away import PutAway, put_away, secret_uses
from reconciler.engine.rewrite import ChangeRefused, MovedOn, Rewritten, is_writable, rewrite, write
from reconciler.gate.principal import Principal
from reconciler.merge_patch import apply, diff, equal
from reconciler.model.document import Document, hidden, masked_document
from reconciler.plan.actions import PROJECT, Plan
from reconciler.plan.document import plan_id
from reconciler.plan.pointers import Path
from reconciler.problems import Place, errors
from reconciler.store.hold_rows import Hold, TooManyHolds
from reconciler.store.sources import Snapshot
from reconciler.store.vault import VaultError

__all__ = ["ChangeRefused", "Changed", "Into", "Prospect", "change", "prospect"]

WRITERS = ("editor", "operator", "owner")
SAY_YES = ("operator", "owner")
"""Their write is a yes to what it causes, but for what is guarded, and for what another wrote and nobody has seen."""
OWN_SETTINGS = ("version", "project")
"""What everything else is understood by: never changed from outside."""
TRIES = 20
NO_SECRETS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Changed:
    """The files after a change: `etag` is their digest, `written` what they say.

    `applied` is what became of the plan it caused, `waits` what of it waits for a yes. `hidden_at` is where an overlay
    says otherwise, so that nothing of it shows here.
    """

    etag: str
    applied: Applied
    written: Mapping[str, Any]
    waits: tuple[Pending, ...] = ()
    hidden_at: Place | None = None

    @property
    def plan_id(self) -> str:
        """What names the plan in answers: where something waits, the id under which a person answers it."""
        return self.waits[0].plan if self.waits else self.applied.plan_id


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a patch would do, before anything is done.

    `plan` is what it causes, `waiting` what of it would wait. `named` are the servers whose removal it names, `given`
    those that get secrets.
    """

    file: Rewritten
    plan: Plan
    named: frozenset[str]
    waiting: Marks
    secrets: Mapping[str, str]
    given: frozenset[str]
    holds: tuple[Hold, ...] = ()


async def change(
    project: Project,
    patch: Mapping[str, Any],
    *,
    if_match: str | None,
    principal: Principal,
    wait: float = 120.0,
    fresh: Collection[str] = (),
    secrets: Mapping[str, str] = NO_SECRETS,
    expected: str | None = None,
    into: Into = "deciding",
) -> Changed:
    """Write a merge patch into the files, and take up what it causes as far as `principal` may say yes to it.

    `if_match` is the ETag that the change was made for, None for whatever there is now: what somebody else saves
    meanwhile stays, and the patch is made again for it. `wait` are the seconds that sessions have to become so. `fresh`
    are servers that must not be there yet, `secrets` values that come with the patch under names that hold nothing
    else. `expected` is the id of the plan that somebody was shown (`prospect`): what would cause another one by now is
    refused as `moved`. Goes on when the caller is cancelled. Raises ChangeRefused.
    """
    if principal.role not in WRITERS:
        message = f'"{principal.name}" has the role {principal.role}, and may not change the file'
        raise ChangeRefused("not-allowed", message)
    task = asyncio.create_task(
        _change(project, patch, if_match, principal, wait, fresh, secrets, expected, into), name="a change of the file"
    )
    _running.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


_running: set[asyncio.Task[Changed]] = set()


def _ended(task: asyncio.Task[Changed]) -> None:
    """Nobody may be waiting for its end any more."""
    _running.discard(task)
    if not task.cancelled():
        task.exception()


async def _change(
    project: Project,
    patch: Mapping[str, Any],
    if_match: str | None,
    principal: Principal,
    wait: float,
    fresh: Collection[str],
    secrets: Mapping[str, str],
    expected: str | None,
    into: Into,
) -> Changed:
    async with project.applying:
        if principal.role not in SAY_YES and not project.ledger.accepted.exists:
            project.ledger.begin()  # from now on there are rules, and somebody who says yes to weaker ones
            await project.ledger.commit()
        for _ in range(TRIES):
            found = await prospect(
                project, patch, if_match=if_match, principal=principal, fresh=fresh, secrets=secrets, into=into
            )
            if expected is not None and expected != plan_id(found.plan):
                raise ChangeRefused("moved", "it would do something else by now than what was shown")
            _check_may_write(project, found, patch)
            try:
                await _write(project, found)
                break
            except MovedOn:
                continue
        else:
            raise ChangeRefused("stale", f"{_main(project)} is being saved all the time")
        project.events.say("changed", f"{principal.name} changed {name_of(project, into)}")
        changed = await _take_up(project, found, principal, wait)
        about = {*found.waiting, *(patch.get("mcpServers") or ())}
        return replace(changed, waits=tuple(one for one in project.waiting.all if one.server in about))


async def prospect(
    project: Project,
    patch: Mapping[str, Any],
    *,
    if_match: str | None,
    principal: Principal,
    fresh: Collection[str] = (),
    secrets: Mapping[str, str] = NO_SECRETS,
    into: Into = "deciding",
) -> Prospect:
    """What the patch would do; nothing is changed. Raises ChangeRefused where it could not be made."""
    before = await project.read()
    written = _readable(project, before, if_match)
    asked, named = _asked(patch, written)
    accepted = project.ledger.accepted
    _check_fresh(fresh, written["mcpServers"], accepted.document.servers)
    put = _put_away(project, asked, written, secrets, anew=principal.role not in SAY_YES)
    if secrets:
        await asyncio.to_thread(_check_unstored, project, secrets)
    want = apply(written, put.patch)
    _check(project, put, written, want)
    if into == "deciding":
        file, effect = await _rewritten(project, before, want), put.patch
    else:
        file = await asyncio.to_thread(rewrite_into, project, before, into, put.patch)
        effect = diff(written, file.after.reading.written)
    old, new = project.desired(before), project.desired(file.after)
    desired = accepted_with(accepted.document, old, new, effect, first=PROJECT not in project.holds.servers)
    plan = _plan(project, desired, file.after, named, effect)
    if plan.blocked:
        ways = "; ".join(f"{blocked.message}: {blocked.way_out}" for blocked in plan.blocked)
        raise ChangeRefused("blocked", ways)
    if principal.role in SAY_YES:
        waiting = waiting_marks(plan, None, unseen(project.holds, plan, effect))
        return Prospect(file, plan, named, waiting, put.values, put.servers)
    holds = held_by(plan, old, new, effect, accepted.yeses, (principal.name, now_text()))
    return Prospect(file, plan, named, _waiting(plan, holds), put.values, put.servers, tuple(holds))


async def _rewritten(project: Project, before: Snapshot, want: Mapping[str, Any]) -> Rewritten:
    """Kept until the files say something else: whoever was shown what comes of it does not wait for it twice."""
    file = await asyncio.to_thread(rewrite, project.sources, before, want, known=project.rewritten)
    project.rewritten = file
    return file


def _put_away(
    project: Project, patch: Mapping[str, Any], written: Mapping[str, Any], secrets: Mapping[str, str], *, anew: bool
) -> PutAway:
    def uses() -> Mapping[str, Collection[Path]]:
        return secret_uses(written, project.ledger.document.written)

    def taken() -> list[str]:
        return [*secrets, *(secret.name for secret in project.vault.list())]

    try:
        put = put_away(patch, written, uses, taken, anew=anew)
        put.values |= secrets
        return put
    except (VaultError, OSError) as error:
        raise vault_says(error) from error


def _check_unstored(project: Project, secrets: Mapping[str, str]) -> None:
    try:
        taken = [name for name, value in secrets.items() if project.vault.get(name) not in (None, value)]
    except (VaultError, OSError) as error:
        raise vault_says(error) from error
    if taken:
        raise ChangeRefused("exists", f'there is a secret "{taken[0]}" already')


def vault_says(error: VaultError | OSError) -> ChangeRefused:
    """Why a change cannot be made that needs the vault."""
    if isinstance(error, VaultError):
        return ChangeRefused("vault", f"{error}; {error.hint}")
    return ChangeRefused("vault", f"the vault does not answer: {error.strerror or error}")


def _plan(
    project: Project, desired: Document, after: Snapshot, named: frozenset[str], patch: Mapping[str, Any]
) -> Plan:
    """What a patch causes, and nothing besides."""
    servers = patch.get("mcpServers") or {}
    if equal(project.ledger.document.settings, desired.settings):
        return plan_to(project, desired, after, named=named, about=servers.keys())
    return plan_to(project, desired, after, named=named, repairs=False)


def _waiting(plan: Plan, holds: Iterable[Hold]) -> Marks:
    """What of a plan waits when nobody said yes to anything."""
    servers = {hold.server for hold in holds}
    held = {a.server: tuple(sorted(a.marks)) or ("launch",) for a in plan.actions if a.server in servers}
    return waiting_marks(plan, frozenset(), held)


def _readable(project: Project, before: Snapshot, if_match: str | None) -> Mapping[str, Any]:
    """What the files say. Raises ChangeRefused where they may not be changed now."""
    main, held = _main(project), project.followed.held
    if held is not None:
        raise ChangeRefused("held", f"the file is not believed: {held}")
    wrong = errors(before.reading.problems)
    if wrong or before.reading.written is None:
        raise ChangeRefused("invalid", f"{main} has errors; mend it first{f': {wrong[0].detail}' if wrong else ''}")
    if if_match is not None and before.etag != if_match:
        raise ChangeRefused("stale", f"{main} is not what the change was made for")
    return before.reading.written


def _asked(patch: Mapping[str, Any], written: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """The patch, and the servers whose removal it names. Null for all servers names none, and leaves an empty map."""
    servers = patch.get("mcpServers")
    if "mcpServers" in patch and servers is None:
        if len(written["mcpServers"]) > 1:
            message = f"all {len(written['mcpServers'])} servers would be deleted and nobody named them"
            raise ChangeRefused("blocked", f"{message}: name each with null")
        return {**patch, "mcpServers": dict.fromkeys(written["mcpServers"])}, frozenset()
    named = (server for server, value in servers.items() if value is None) if isinstance(servers, dict) else ()
    return dict(patch), frozenset(named)


def _check_fresh(fresh: Collection[str], written: Collection[str], accepted: Collection[str]) -> None:
    for server in fresh:
        if server in written:
            raise ChangeRefused("exists", f'there is a server "{server}" already')
        if server in accepted:
            gone = f'the server "{server}" is gone from the file, and was not taken down yet'
            raise ChangeRefused("exists", f"{gone}: say yes to the plan first, or put it back into the file")


def _check(project: Project, put: PutAway, written: Mapping[str, Any], want: Mapping[str, Any]) -> None:
    if put.problems:
        raise ChangeRefused("invalid", put.problems[0].detail, put.problems)
    for name in OWN_SETTINGS:
        if not equal(written.get(name), want.get(name)):
            message = f'"{name}" is changed in {_main(project)} alone, by whoever has the file'
            raise ChangeRefused("own-setting", message)


def _check_may_write(project: Project, found: Prospect, patch: Mapping[str, Any]) -> None:
    """Raises ChangeRefused with the patch that somebody else may write."""
    stuck = [path for path in found.file.texts if not is_writable((path,))]
    if project.read_only:
        why = f"{_main(project)} is not changed from here (--read-only): commit the patch"
    elif stuck:
        why = f"{project.sources.shown(stuck[0])} cannot be written"
    else:
        return
    raise ChangeRefused("read-only", why, patch=masked_document(patch, hidden))


async def _write(project: Project, found: Prospect) -> None:
    """First what is held, so that nothing is ever in the file that is not; then the secrets; then the texts.

    Raises ChangeRefused, MovedOn; then the secrets are what they were. What is held in vain is let go of later.
    """
    try:
        await project.holds.add(found.holds)
        undo = await asyncio.to_thread(_store, project, found.secrets)
    except TooManyHolds as error:
        raise ChangeRefused("too-many-held", f"{error}: `reconciler approve` lists it") from error
    except sqlite3.Error as error:
        raise ChangeRefused("not-recorded", f"what is held cannot be recorded: {error}") from error
    except (VaultError, OSError) as error:
        raise vault_says(error) from error
    await keep_own_out(project, found.file)
    project.writes(found.file.after)
    try:
        await asyncio.to_thread(write, found.file, project.sources)
    except (MovedOn, OSError) as error:
        await asyncio.to_thread(_restore, project, undo)
        if isinstance(error, MovedOn):
            raise
        why = error.strerror or str(error)
        raise ChangeRefused("read-only", f"{_main(project)} cannot be written: {why}") from error
    project.took(found.file.after)


def _store(project: Project, secrets: Mapping[str, str]) -> Mapping[str, str | None]:
    """Put the secrets away; answers what was there before."""
    before = {name: project.vault.get(name) for name in secrets}
    changed = {name: value for name, value in secrets.items() if before[name] != value}
    if changed:
        project.vault.put_all(changed)
    return {name: before[name] for name in changed}


def _restore(project: Project, before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            project.vault.remove(name)
        else:
            project.vault.put(name, value)


async def _take_up(project: Project, found: Prospect, principal: Principal, wait: float) -> Changed:
    after = found.file.after
    plan = _with_new_values(project, found) if found.secrets else found.plan
    applied = await apply_apart(project, plan, found.waiting, principal.name, wait=wait)
    if found.secrets:
        project.secrets.look()
    await show_waiting(project, after)
    return Changed(after.etag, applied, after.reading.written or {}, hidden_at=found.file.hidden_at)


def _with_new_values(project: Project, found: Prospect) -> Plan:
    """The plan together with the servers that were started with older values of secrets."""
    document = project.ledger.document
    plan = plan_to(project, found.plan.desired, found.file.after, named=found.named)
    outdated = {server for server in found.given if project.environment.outdated(document, server)}
    late = tuple(each for each in plan.drift if each.server in outdated)
    return replace(plan, drift=late)


def _main(project: Project) -> str:
    return project.sources.shown(project.sources.main)
