"""Links and visits, under a clock."""

from __future__ import annotations

from reconciler.engine.visits import IDLE_SECONDS, LINK_SECONDS, MOST, Visit, Visits
from reconciler.gate.principal import Principal
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:entering")

OPERATOR = Principal("owner", "operator")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def entered(visits: Visits) -> tuple[str, Visit]:
    """Somebody who just came in: the cookie and the visit."""
    cookie = visits.enter(visits.link(OPERATOR))
    assert cookie is not None
    visit = visits.of(cookie)
    assert visit is not None
    return cookie, visit


def test_a_link_lets_in_once_as_whom_it_was_made_for() -> None:
    visits = Visits(Clock())
    word = visits.link(OPERATOR)
    cookie = visits.enter(word)
    assert cookie is not None and visits.enter(word) is None
    visit = visits.of(cookie)
    assert visit is not None and visit.principal is OPERATOR
    assert visits.of(word) is None


def test_what_was_made_up_lets_nobody_in() -> None:
    visits = Visits(Clock())
    entered(visits)
    for word in ("", "x", "\udcff", "é" * 5000):
        assert (visits.enter(word), visits.of(word)) == (None, None)


def test_a_link_lets_in_for_ten_minutes() -> None:
    clock = Clock()
    visits = Visits(clock)
    first, second = visits.link(OPERATOR), visits.link(OPERATOR)
    clock.now += LINK_SECONDS
    assert visits.enter(first) is not None
    clock.now += 0.1
    assert visits.enter(second) is None


def test_a_visit_ends_when_nothing_is_asked_in_it() -> None:
    clock = Clock()
    visits = Visits(clock)
    cookie, visit = entered(visits)
    clock.now += IDLE_SECONDS
    assert visits.of(cookie) is visit
    clock.now += IDLE_SECONDS
    assert visits.holds(visit) and visits.of(cookie) is visit
    clock.now += IDLE_SECONDS + 0.1
    assert visits.of(cookie) is None
    clock.now -= IDLE_SECONDS
    assert (visits.of(cookie), visits.holds(visit)) == (None, False), "an ended visit does not come back"


def test_to_look_at_a_stream_keeps_no_visit() -> None:
    clock = Clock()
    visits = Visits(clock)
    cookie, visit = entered(visits)
    for _ in range(4):
        held = visits.holds(visit)
        clock.now += IDLE_SECONDS / 3
    assert (held, visits.holds(visit), visits.of(cookie)) == (True, False, None)


def test_who_leaves_is_out_and_nobody_else_is() -> None:
    visits = Visits(Clock())
    (gone, visit), (stays, other) = entered(visits), entered(visits)
    visits.leave(visit)
    visits.leave(visit)
    assert (visits.of(gone), visits.of(stays)) == (None, other)


def test_there_are_so_many_at_a_time_and_the_oldest_goes() -> None:
    visits = Visits(Clock())
    oldest = visits.link(OPERATOR)
    words = [visits.link(OPERATOR) for _ in range(MOST)]
    assert visits.enter(oldest) is None
    cookies = [visits.enter(word) for word in words]
    assert None not in cookies and len(set(cookies)) == MOST == 64
    entered(visits)
    assert [visits.of(cookie or "") is not None for cookie in cookies] == [False, *[True] * (MOST - 1)]


def test_nothing_that_lets_in_is_kept_and_each_form_word_is_another() -> None:
    visits = Visits(Clock())
    word = visits.link(OPERATOR)
    (cookie, one), (_, two) = entered(visits), entered(visits)
    kept = repr(vars(visits))
    assert (word in kept, cookie in kept) == (False, False)
    assert one.form_token != two.form_token and one.form_token not in (cookie, word)
