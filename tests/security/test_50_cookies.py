"""Rule 50: cookies travel by TLS to this host alone, no script reads the session's, and none can be guessed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from auth_cluster import auth_cluster
from browser_side import WebSide, web_side


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[WebSide]:
    async with auth_cluster(tmp_path) as cluster:
        yield await web_side(cluster)


def attributes(line: str) -> set[str]:
    return {part.strip().lower() for part in line.split(";")[1:]}


async def test_the_cookie_of_a_session(side: WebSide) -> None:
    answer = await side.browser().log_in(await side.cluster.sign_up("alice", "access"))
    (line,) = [line for line in answer.cookies if line.startswith("__Host-session=")]
    assert attributes(line) == {"secure", "httponly", "samesite=lax", "path=/"}
    assert len(line.split(";")[0]) - len("__Host-session=") >= 64


async def test_the_cookie_of_a_page(side: WebSide) -> None:
    (line,) = (await side.browser().ask("GET", "/web/login")).cookies
    assert line.startswith("__Host-csrf=")
    assert attributes(line) == {"secure", "samesite=strict", "path=/"}


async def test_logging_out_takes_the_cookie_with_the_attributes_it_was_given(side: WebSide) -> None:
    browser = await side.entered("alice")
    (line,) = (await browser.ask("DELETE", "/webapi/sessions")).cookies
    assert attributes(line) >= {"secure", "httponly", "max-age=0", "path=/"}


async def test_no_two_are_alike(side: WebSide) -> None:
    person = await side.cluster.sign_up("alice", "access")
    seen = set()
    for _ in range(3):
        browser = side.browser()
        await browser.log_in(person)
        seen |= {*browser.cookies.values(), browser.bearer}
    assert len(seen) == 9


async def test_a_cookie_that_somebody_planted_is_not_taken_over(side: WebSide) -> None:
    person = await side.cluster.sign_up("alice", "access")
    planted = "a" * 64
    browser = await side.browser().open()
    browser.cookies["__Host-session"] = planted
    await browser.log_in(person)
    assert browser.cookies["__Host-session"] != planted
