"""What lives of each server now, in the words of plans and status. Reads the workers and the hub, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection

from reconciler.engine.environment import Environment
from reconciler.engine.ledger import Ledger
from reconciler.engine.life import Life, word_of
from reconciler.engine.offers import Offers
from reconciler.engine.pauses import Pauses
from reconciler.engine.workers import Workers
from reconciler.model.observed import Observed, ObservedServer, Status
from reconciler.model.pins import Drifted
from reconciler.sessions.hub import Hub


class Observer:
    """Looks at the servers of one project. `dial_at` says where a server would dial in, None where nobody listens."""

    def __init__(
        self,
        ledger: Ledger,
        hub: Hub,
        workers: Workers,
        pauses: Pauses,
        environment: Environment,
        offers: Offers,
        dial_at: Callable[[str], str | None],
    ) -> None:
        self._ledger = ledger
        self._hub = hub
        self._workers = workers
        self._pauses = pauses
        self._environment = environment
        self._offers = offers
        self._dial_at = dial_at

    def all(self, about: Collection[str] | None = None) -> Observed:
        """What lives, for the plan; of these servers alone where some are named."""
        servers = [each for each in self._ledger.document.servers if about is None or each in about]
        return Observed(True, {server_id: self.of(server_id) for server_id in servers})

    def of(self, server_id: str) -> ObservedServer:
        """One server as it lives."""
        worker, live = self._workers.of(server_id), self._hub.slot(server_id).live
        status, reason = self.status(server_id)
        serves = live is not None and live.state == "ready"
        if serves:
            down = self._environment.outdated(self._ledger.document, server_id)
        else:
            down = self._environment.hide(reason) if status == "error" else None
        return ObservedServer(
            server_id,
            status,
            live.id if live else None,
            live.server.spec if live and serves else None,
            down,
            worker.life.since if worker else None,
            self._tool_drift(server_id) if serves else (),
            self._pauses.of(server_id),
        )

    def status(self, server_id: str) -> tuple[Status, str]:
        """The seeds' word for a server and a sentence: why it is so."""
        worker, slot, pause = self._workers.of(server_id), self._hub.slot(server_id), self._pauses.of(server_id)
        if pause is not None and (slot.live is None or slot.live.state != "ready"):
            return "disconnected", str(pause)  # also while it finishes the calls in flight
        return word_of(worker.life if worker else Life(), slot, self._dial_at(server_id))

    def _tool_drift(self, server_id: str) -> tuple[Drifted, ...]:
        locked = self._offers.locked(server_id)
        return locked.verdicts.drift if locked is not None and locked.verdicts is not None else ()
