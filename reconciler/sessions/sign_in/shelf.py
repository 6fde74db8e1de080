"""Where grants stand: in the vault, one record for each server and issuer, written whole.

Everything here blocks, may be called from any thread, and raises VaultError and OSError.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from urllib.parse import quote

from reconciler.sessions.sign_in.grants import Record, Site, record_of
from reconciler.store.vault import Vault

_PREFIX = "@sign-in/"


def read_records(vault: Vault, site: Site) -> list[Record]:
    """What is kept for a site, the last written first."""
    found = [record_of(vault.get(name) or "") for name in vault.internal(_folder(site.server))]
    fitting = [record.for_site(site) for record in found if record is not None and record.fits(site)]
    return sorted(fitting, key=lambda record: record.at, reverse=True)


def keep_record(vault: Vault, site: Site, record: Record) -> None:
    """Durable when it returns."""
    now = replace(record, at=time.time())
    vault.put(f"{_folder(site.server)}{_digest(record.url, record.issuer)}", now.to_text())


def forget_records(vault: Vault, server: str) -> bool:
    """Remove everything of a server; whether there was a grant."""
    granted = False
    for name in vault.internal(_folder(server)):
        record = record_of(vault.get(name) or "")
        granted |= record is not None and record.grant is not None
        vault.remove(name)
    return granted


def _folder(server: str) -> str:
    return f"{_PREFIX}{quote(server, safe='')}/"


def _digest(url: str, issuer: str) -> str:
    return hashlib.sha256(f"{url}\n{issuer}".encode()).hexdigest()[:32]
