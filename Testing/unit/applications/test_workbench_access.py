"""Who may come into the Workbench: loopback, or a token over TLS; and never another site's page."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from LesionKitWorkbench.gateway.access import Access, choose_access, is_loopback
from LesionKitWorkbench.gateway.server import Gateway
from LesionKitWorkbench.gateway.sessions import TooManySessions

from LesionKitLib.run.errors import UnusableInput


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_a_loopback_address_needs_no_token(host):
    assert is_loopback(host)
    assert choose_access(host, None, secure=False).token == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "workbench.example"])
def test_an_address_that_others_reach_is_refused_without_tls_and_has_a_token_with_it(host):
    with pytest.raises(UnusableInput, match="--tls-cert"):
        choose_access(host, None, secure=False)
    assert len(choose_access(host, None, secure=True).token) >= 32


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("localhost:8765", True), ("127.0.0.1:8765", True), ("[::1]:8765", True), ("LOCALHOST", True),
        ("evil.example:8765", False), ("localhost.evil.example", False), ("", False),
    ],
)  # fmt: skip
def test_on_loopback_only_names_of_this_computer_are_answered(header, allowed):
    assert Access("127.0.0.1").allows_host(header) == allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8765", True), ("http://localhost:9999", False), ("https://localhost:8765", False),
        ("http://evil.example", False), ("null", False), (None, False),
    ],
)  # fmt: skip
def test_only_the_own_page_may_change_something(origin, allowed):
    assert Access("127.0.0.1").allows_origin(origin, "localhost:8765") == allowed


class NoSessions:
    """Stands for the sessions: none can be had."""

    def warm_up(self) -> None: ...

    async def close(self) -> None: ...

    async def tidy(self) -> None: ...

    def get(self, _cookie):
        return None

    async def of(self, _cookie):
        raise TooManySessions("2 sessions are open here, the most that this server allows.")


def answer_of(access: Access, ask) -> tuple[int, str, dict]:
    """Status, text and headers of what ask(client) gets."""

    async def run():
        application = Gateway(access, NoSessions()).application()
        async with TestClient(TestServer(application, host="127.0.0.1")) as client:
            answer = await ask(client)
            return answer.status, await answer.text(), dict(answer.headers)

    return asyncio.run(run())


def test_a_request_under_a_foreign_name_is_refused():
    status, _text, _ = answer_of(Access("127.0.0.1"), lambda client: client.get("/", headers={"Host": "evil.example"}))
    assert status == 403


def test_an_upload_from_a_foreign_page_is_refused():
    def ask(client):
        return client.post("/upload", data=FormData({"files": "x"}), headers={"Origin": "http://evil.example"})

    assert answer_of(Access("127.0.0.1"), ask)[0] == 403


def test_a_socket_without_an_origin_is_refused():
    assert answer_of(Access("127.0.0.1"), lambda client: client.get("/ws"))[0] == 403


def test_without_its_token_the_page_is_not_shown_and_with_it_the_token_leaves_the_address():
    access = Access("0.0.0.0", token="right", secure=True)
    assert answer_of(access, lambda client: client.get("/"))[0] == 401
    assert answer_of(access, lambda client: client.get("/?token=wrong"))[0] == 401
    status, _text, headers = answer_of(access, lambda client: client.get("/?token=right", allow_redirects=False))
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]


def test_a_visitor_beyond_the_bound_is_told_so_in_one_sentence():
    status, text, _ = answer_of(Access("127.0.0.1"), lambda client: client.get("/"))
    assert status == 503
    assert text.startswith("2 sessions are open here")


def test_every_answer_forbids_to_be_framed_guessed_or_kept():
    headers = answer_of(Access("127.0.0.1"), lambda client: client.get("/"))[2]
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert headers["Cache-Control"] == "no-store"


def test_a_method_that_the_page_does_not_use_is_refused():
    def ask(client):
        return client.put("/", headers={"Origin": f"http://127.0.0.1:{client.port}"})

    assert answer_of(Access("127.0.0.1"), ask)[0] == web.HTTPMethodNotAllowed.status_code
