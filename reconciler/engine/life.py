"""What is known of one server's sessions, in memory: the worker writes it, status shows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, assert_never

from reconciler.engine.backoff import CRASH_LOOP, Wait, next_try
from reconciler.model.observed import Status
from reconciler.model.server import Server, Stdio
from reconciler.sessions.hub import Slot
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import End, SessionError, with_last_words

WAITS_FOR_DIAL = "waits for the server to dial in"
"""How the reason of an uplink that is not connected begins."""
KEPT_LINES = 50
"""Of what a process printed last on standard error."""
Phase = Literal["Pending", "Connecting", "Ready", "Draining", "Closed", "Backoff", "Stalled", "Disabled", "Paused"]


@dataclass(slots=True)
class Life:
    """Times are wall-clock; `next_at` and `ready_since` are the loop's clock.

    `failures` counts those in a row, `restarts` every end of a serving session that nobody asked for. `failed_spec`
    is the accepted spec when its last try failed, with `failure` as the reason; `ready_spec` the one that serves.
    `generation` is the serial that had changed the server last when the worker looked.
    """

    phase: Phase = "Closed"
    reason: str = ""
    failures: int = 0
    restarts: int = 0
    next_at: float = 0.0
    next_retry_at: datetime | None = None
    ready_since: float = 0.0
    last_connected_at: datetime | None = None
    failed_spec: str | None = None
    failure: SessionError | None = None
    ready_spec: str | None = None
    generation: int = 0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def count_failure(self, failure: SessionError, now: float, chance: float) -> Wait:
        """One more failure in a row; answers how long to wait. `now` is the loop's clock."""
        self.failures += 1
        self.failure = failure
        return self.back_off(failure, now, chance)

    def back_off(self, failure: SessionError, now: float, chance: float) -> Wait:
        """When to try again after the failures so far, of which this is the last."""
        wait = next_try(self.failures, chance, terminal=failure.terminal, retry_after=failure.retry_after)
        self.next_at = now + wait.seconds
        self.next_retry_at = datetime.now(UTC) + timedelta(seconds=wait.seconds)
        return wait

    def stay(self) -> None:
        """What serves would be stopped by a further try: there is none by itself."""
        self.next_at, self.next_retry_at = math.inf, None

    @property
    def stays(self) -> bool:
        """Whether something serves that only a change of the server, or a person, may have stopped for another try."""
        return math.isinf(self.next_at)

    def retime(self, now: float) -> None:
        """Somebody set the clock on the wall: the next try comes when it would have come."""
        if self.next_retry_at is not None:
            self.next_retry_at = datetime.now(UTC) + timedelta(seconds=self.next_at - now)

    def forget_failures(self) -> None:
        """Try again at once: a person asked, or the server changed."""
        self.failures, self.failed_spec = 0, None
        self.next_at, self.next_retry_at = 0.0, None


def word_of(life: Life, slot: Slot, dial_at: str | None) -> tuple[Status, str]:
    """The seeds' word for a server and a sentence: why it is so. `dial_at` is where it would dial in."""
    if slot.live is not None and slot.live.state == "ready":
        return "connected", _of_the_new_version(life, slot.live.server.id) if life.failed_spec else ""
    match life.phase:
        case "Connecting" | "Ready":
            return "connecting", life.reason
        case "Backoff":
            return ("connecting" if slot.opening else "error"), f"{life.reason}{_in_a_row(life.failures)}"
        case "Stalled":
            return "error", life.reason
        case "Pending":
            place = f"{WAITS_FOR_DIAL} at {dial_at}" if dial_at else WAITS_FOR_DIAL
            return "disconnected", life.reason.replace(WAITS_FOR_DIAL, place, 1)
        case "Draining" | "Closed" | "Disabled" | "Paused":
            return "disconnected", life.reason
        case never:
            assert_never(never)


def _in_a_row(failures: int) -> str:
    return f" ({failures} times in a row)" if failures > CRASH_LOOP else ""


def _of_the_new_version(life: Life, server_id: str) -> str:
    again = f"; a change or `reconciler restart {server_id}` has it tried again" if life.stays else ""
    reason = life.failure.reason if life.failure else life.reason
    return f"the new version failed, the old one serves: {reason}{again}"


def next_try_in(life: Life | None, now: datetime) -> str:
    """When it is tried again, to be added to a sentence; nothing where nobody knows."""
    if life is None or life.next_retry_at is None:
        return ""
    seconds = (life.next_retry_at - now).total_seconds()
    return f"; the next try is in {max(math.ceil(seconds), 0)} s"


def waits_for_dial(failure: SessionError | None) -> str:
    """The reason of an uplink that is not connected; `failure` is that of the last one that came."""
    return f"{WAITS_FOR_DIAL}; the last one that did was turned away: {failure}" if failure else WAITS_FOR_DIAL


def words_of_slow_start(server: Server, seconds: float, said: str) -> str:
    """What is told of a server that is not there yet after so many seconds; its process `said` something meanwhile."""
    doing = "starting" if isinstance(server.transport, Stdio) else "connecting"
    words = f"it has been {doing} for more than {seconds:g} s of {server.timeouts.start:g} s"
    return f"{words}; {said}" if said else words


def end_of(failure: SessionError | None) -> End:
    """The end of a session that failed instead of ending."""
    if failure is None:
        return End("the session ended")
    return End(str(failure), terminal=failure.terminal, retry_after=failure.retry_after)


def words_of(end: End | None) -> str:
    """An ending as a sentence, with the last words of the process."""
    return "the session ended" if end is None else with_last_words(end.reason, end).removesuffix(".")


def exit_row(instance: Instance, end: End, at: str, hide: Callable[[str], str]) -> dict[str, Any]:
    """An ending as it is kept; `at` is ISO 8601."""
    stderr = [hide(line) for line in end.stderr[-KEPT_LINES:]]
    about = {"server": instance.server.id, "instance": instance.id, "at": at}
    return {**about, "code": end.code, "reason": end.reason, "stderr": stderr}
