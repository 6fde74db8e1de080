"""A sign-in that waits: how long, which page, and what ends it. Its minutes cost nothing here."""

import asyncio
from typing import Any

import pytest

from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import SignInFailed
from reconciler.sessions.sign_in.grants import CameBack, Publish
from reconciler.sessions.sign_in.pending import FRESH, SECONDS, PendingSignIn
from tests.clock import JUMPING, pass_by
from tests.requirements import requirement

pytestmark = [requirement("AUTH-1:state"), pytest.mark.anyio]
PAGE = "https://login.example/authorize?state=s1&client_id=c"


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class Browser:
    """What of a sign-in reaches the outside."""

    def __init__(self, page: str = PAGE) -> None:
        self.page = page
        self.shown: list[PendingSignIn] = []
        self.codes: list[str] = []

    async def run(self, publish: Publish) -> None:
        self.codes.append((await publish(self.page)).code)

    def begin(self) -> PendingSignIn:
        return PendingSignIn("there", "https://us.example/back", None, self.run, self.shown.append)


async def test_a_page_holds_for_ten_minutes_and_is_offered_anew_only_while_most_of_them_are_left() -> None:
    browser = Browser()
    pending = browser.begin()
    assert await pending.page() == PAGE and (pending.state, pending.waits, pending.fresh) == ("s1", True, True)
    await pass_by(FRESH + 1)
    assert (pending.waits, pending.fresh) == (True, False)
    await pass_by(SECONDS - FRESH - 2)
    assert pending.waits
    await pass_by(2)
    assert not pending.waits and not pending.answered and browser.codes == []
    with pytest.raises(SessionError, match="within 10 minutes"):
        await pending.ended()


async def test_whoever_comes_back_in_time_ends_it() -> None:
    browser = Browser()
    pending = browser.begin()
    await pending.page()
    await pass_by(SECONDS - 1)
    await pending.came_back(CameBack("s1", "code-1"))
    assert browser.codes == ["code-1"] and browser.shown == [pending] and not pending.waits


async def test_a_code_that_came_is_exchanged_although_the_browser_and_everybody_else_is_gone() -> None:
    browser, go_on = Browser(), asyncio.Event()

    async def run(publish: Publish) -> None:
        code = (await publish(PAGE)).code
        await go_on.wait()
        browser.codes.append(code)

    pending = PendingSignIn("there", "", None, run, browser.shown.append)
    await pending.page()
    page = asyncio.create_task(pending.came_back(CameBack("s1", "code-1")))
    await pass_by(1)
    page.cancel()
    pending.give_up()
    go_on.set()
    await pending.ended()
    assert browser.codes == ["code-1"]


async def test_what_is_given_up_cannot_be_finished() -> None:
    browser = Browser()
    pending = browser.begin()
    await pending.page()
    pending.give_up()
    assert not pending.waits
    with pytest.raises(asyncio.CancelledError):
        await pending.ended()


async def test_a_defect_ends_only_the_sign_in() -> None:
    async def run(_: Publish) -> None:
        raise KeyError("x")

    pending = PendingSignIn("there", "", None, run, print)
    with pytest.raises(SessionError, match="KeyError"):
        await pending.page()


@requirement("AUTH-1:page")
@pytest.mark.parametrize(
    "page",
    [
        "http://login.example/?state=s",
        "http://127.0.0.1.example/?state=s",
        "http://127.1/?state=s",
        "http://0x7f000001/?state=s",
        "http://user@localhost.example/?state=s",
        "https://known.example@login.example/?state=s",
        "javascript:alert(1)?state=s",
        "data:text/html,x?state=s",
        "file:///etc/passwd?state=s",
        "https://login.example/",
        "https://login.example/?state=s&state=t",
        "https://login.example/?state=s\nx",
        "https://login.example/a b?state=s",
        "https://login.example/\u202e?state=s",
        "https://[?state=s",
        "",
    ],
)
async def test_nobody_is_sent_there(page: str) -> None:
    browser = Browser(page)
    pending = browser.begin()
    with pytest.raises(SignInFailed, match="not https"):
        await pending.page()
    assert browser.shown == [] and pending.url is None


@requirement("AUTH-1:page")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:1", "127.9.9.9"])
async def test_pages_of_this_machine_need_no_tls(host: str) -> None:
    assert await Browser(f"http://{host}/?state=s").begin().page() == f"http://{host}/?state=s"
