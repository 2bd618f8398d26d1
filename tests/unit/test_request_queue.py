"""A few requests at a time reach the application, and no client keeps the others out."""

import asyncio
import json

import pytest

from local.request_queue import MAX_BODY_BYTES, MAX_INVOCATION_BYTES, RequestQueue

REQUEST = {"type": "http", "headers": []}
BODY = {"type": "http.request", "body": b"{}"}
GONE = {"type": "http.disconnect"}


class Client:
    """Sends ``messages``, then nothing more; keeps what it gets. ``leave()`` closes its connection."""

    def __init__(self, *messages, stuck=False):
        self.incoming = asyncio.Queue()
        for message in messages:
            self.incoming.put_nowait(message)
        self.stuck = stuck
        self.got = []

    def leave(self):
        self.incoming.put_nowait(GONE)

    async def receive(self):
        return await self.incoming.get()

    async def send(self, message):
        if self.stuck:
            await asyncio.Event().wait()
        self.got.append(message)

    @property
    def status(self):
        return next(message["status"] for message in self.got if "status" in message)


class Application:
    """Responds with the body. ``running`` and ``most`` count the requests inside."""

    def __init__(self):
        self.running = self.most = self.calls = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, scope, receive, send):
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        body = (await receive())["body"]
        await self.open.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        self.running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario(), 20))


def test_no_more_than_the_limit_are_inside_at_a_time_and_none_is_refused():
    async def scenario():
        application = Application()
        queue = RequestQueue(application, max_requests=8)
        clients = [Client(BODY) for _ in range(40)]
        await asyncio.gather(*(queue(REQUEST, client.receive, client.send) for client in clients))
        return application.most, {client.status for client in clients}

    assert run(scenario) == (8, {200})


def test_a_body_arrives_whole_however_it_was_cut():
    async def scenario():
        client = Client(
            {"type": "http.request", "body": b"ab", "more_body": True},
            {"type": "http.request", "body": b"c", "more_body": True},
            {"type": "http.request"},
        )
        await RequestQueue(Application(), max_requests=1)(REQUEST, client.receive, client.send)
        return client.got[1]["body"]

    assert run(scenario) == b"abc"


def test_clients_that_never_end_their_body_hold_no_place():
    async def scenario():
        queue = RequestQueue(Application(), max_requests=1, max_body_seconds=0.05)
        silent = [Client({"type": "http.request", "body": b"a", "more_body": True}) for _ in range(8)]
        waiting = [asyncio.ensure_future(queue(REQUEST, each.receive, each.send)) for each in silent]
        await asyncio.sleep(0)
        quick = Client(BODY)
        await queue(REQUEST, quick.receive, quick.send)
        await asyncio.gather(*waiting)
        return quick.status, {each.status for each in silent}

    assert run(scenario) == (200, {408})


def test_clients_that_do_not_read_their_response_hold_no_place():
    async def scenario():
        queue = RequestQueue(Application(), max_requests=1)
        stuck = [Client(BODY, stuck=True) for _ in range(8)]
        waiting = [asyncio.ensure_future(queue(REQUEST, each.receive, each.send)) for each in stuck]
        quick = Client(BODY)
        await queue(REQUEST, quick.receive, quick.send)
        for each in waiting:
            each.cancel()
        return quick.status

    assert run(scenario) == 200


def test_a_client_that_leaves_while_it_waits_is_not_served_and_takes_no_place():
    async def scenario():
        application = Application()
        application.open.clear()
        queue = RequestQueue(application, max_requests=1)
        first, leaving, last = Client(BODY), Client(BODY), Client(BODY)
        calls = [asyncio.ensure_future(queue(REQUEST, c.receive, c.send)) for c in (first, leaving, last)]
        while not application.running:
            await asyncio.sleep(0)
        leaving.leave()
        await calls[1]
        application.open.set()
        await asyncio.gather(*calls)
        return application.calls, first.status, leaving.got, last.status

    assert run(scenario) == (2, 200, [], 200)


def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_served():
    async def scenario():
        application = Application()
        client = Client({"type": "http.request", "body": b"a", "more_body": True}, GONE)
        await RequestQueue(application, max_requests=1)(REQUEST, client.receive, client.send)
        return application.calls, client.got

    assert run(scenario) == (0, [])


@pytest.mark.parametrize(
    "parts",
    [
        [b"x" * (MAX_BODY_BYTES // 4)] * 5,
        [b'"' * (MAX_INVOCATION_BYTES // 2)],
        [b"x" * MAX_INVOCATION_BYTES],
    ],
    ids=["for the gateway", "for Lambda with its quotes escaped", "for Lambda with the headers"],
)
def test_a_body_that_is_too_large_is_refused_as_the_api_refuses_and_not_kept(parts):
    async def scenario():
        application = Application()
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        client = Client(*messages, {"type": "http.request"})
        await RequestQueue(application, max_requests=1)(REQUEST, client.receive, client.send)
        return application.calls, client.status, json.loads(client.got[1]["body"])

    calls, status, problem = run(scenario)
    assert (calls, status) == (0, 413)
    assert problem == {
        "Code": "REQUEST_TOO_LARGE",
        "Message": "The body is too large for Lambda. Send it in several requests.",
    }


def test_a_body_of_three_megabytes_passes_whatever_it_is():
    async def scenario():
        client = Client({"type": "http.request", "body": b'"' * 3_000_000})
        await RequestQueue(Application(), max_requests=1)(REQUEST, client.receive, client.send)
        return client.status

    assert run(scenario) == 200


def test_the_application_sees_the_length_of_the_body_that_arrived():
    async def scenario():
        seen = []

        async def application(scope, receive, _send):
            seen.extend([*scope["headers"], (await receive())["body"]])

        client = Client(BODY)
        headers = [(b"host", b"h"), (b"Content-Length", b"5"), (b"transfer-encoding", b"chunked")]
        queue = RequestQueue(application, max_requests=1)
        await queue({"type": "http", "headers": headers}, client.receive, client.send)
        return seen

    assert run(scenario) == [(b"host", b"h"), (b"content-length", b"2"), b"{}"]


def test_a_place_is_free_again_after_the_application_has_failed():
    async def scenario():
        async def broken(_scope, _receive, _send):
            raise ValueError

        queue = RequestQueue(broken, max_requests=1)
        failed = 0
        for _ in range(3):
            client = Client(BODY)
            try:
                await queue(REQUEST, client.receive, client.send)
            except ValueError:
                failed += 1
        return failed

    assert run(scenario) == 3


def test_a_websocket_does_not_wait():
    async def scenario():
        reached = []

        async def application(scope, _receive, _send):
            reached.append(scope["type"])

        await RequestQueue(application, max_requests=1)({"type": "websocket"}, None, None)
        return reached

    assert run(scenario) == ["websocket"]
