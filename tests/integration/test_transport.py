"""Calls of personalize-runtime against servers that misbehave in every way that a socket allows.

Nothing is asserted about how fast a response is: only that a call that cannot succeed ends. A call that does
not end would wait for a minute here, and fail.
"""

import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from chalicelib.clients import Clients
from chalicelib.errors import AwsError, ThrottledError, UnavailableError, from_botocore
from chalicelib.transport import Transport

BODY = b'{"itemList":[{"itemId":"a"}],"recommendationId":"r"}'
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY)
BUDGET_SECONDS = 0.4
ENDS_SECONDS = 20.0
"""Far above the budget, for a machine under load, and far below what a misbehaving server would take."""
FOREVER_SECONDS = 60.0


class Server:
    """Serves each connection with ``play(connection, number)``, number from 1, and counts connections."""

    def __init__(self, play):
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.opened = []
        self.stopping = threading.Event()
        self.connections = 0
        self.requests = 0
        self.received = b""
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self):
        threads = []
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self.opened.append(connection)
                threads.append(threading.Thread(target=self._serve, args=(connection, self.connections)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, connection, number):
        with suppress(OSError), connection:
            self._play(self, connection, number)

    def receive(self, connection):
        """Wait for a request. Returns whether there was one. The client sends headers and body apart."""
        received = b""
        while not received.endswith(b'"userId":"u"}') and not received.endswith(b'"userId": "u"}'):
            part = connection.recv(65536)
            if not part:
                return False
            received += part
        self.requests += 1
        self.received = received
        return True

    def send_slowly(self, connection, data):
        for byte in data:
            if self.stopping.wait(0.05):
                return
            connection.sendall(bytes([byte]))

    def stop(self):
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.opened:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(ENDS_SECONDS)


@contextmanager
def serving(play):
    server = Server(play)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def clients_of(monkeypatch):
    """``clients_of(port)`` are new clients of a server."""

    def make(port, host="127.0.0.1"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME", f"http://{host}:{port}")
        return Clients(delivery_concurrency=1, page_concurrency=10)

    return make


def call(clients, seconds=BUDGET_SECONDS):
    """Make a call with a deadline. Returns its body or error, which has to come soon."""
    started = time.monotonic()
    try:
        with clients.transport.until(started + seconds):
            found = clients.personalize_runtime.get_recommendations(campaignArn="arn:1", userId="u")
            found.pop("ResponseMetadata")
    except AwsError as error:
        found = from_botocore(error, "Personalize")
    assert time.monotonic() - started < ENDS_SECONDS
    return found


def hang(server, connection, number):
    server.receive(connection)
    server.stopping.wait(FOREVER_SECONDS)


def read_nothing(server, connection, number):
    server.stopping.wait(FOREVER_SECONDS)


def stop_after_headers(server, connection, number):
    server.receive(connection)
    connection.sendall(OK)
    server.stopping.wait(FOREVER_SECONDS)


def stop_in_the_body(server, connection, number):
    server.receive(connection)
    connection.sendall(OK + BODY[:20])
    server.stopping.wait(FOREVER_SECONDS)


def end_too_soon(server, connection, number):
    server.receive(connection)
    connection.sendall(OK + BODY[:20])


def drip_the_headers(server, connection, number):
    server.receive(connection)
    server.send_slowly(connection, OK[:-2] + b"x-filler: a\r\n" * 90)


def drip_the_body(server, connection, number):
    server.receive(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n")
    server.send_slowly(connection, BODY.ljust(2000))


def drip_chunks(server, connection, number):
    server.receive(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    server.send_slowly(connection, b"1\r\n \r\n" * 400)


def reset(server, connection, number):
    server.receive(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(server, connection, number):
    server.receive(connection)
    connection.close()


def speak_nonsense(server, connection, number):
    server.receive(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9\r\n\r\n")


def respond(data, times=None):
    """Return a server that responds the same to every request of a connection, or to the first ones."""

    def play(server, connection, number):
        while times is None or server.requests < times:
            if not server.receive(connection):
                return
            connection.sendall(data)

    return play


def failing(status, code=""):
    error = b'{"message":"no"}'
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(error)}", f"x-amzn-ErrorType: {code}", "", ""]
    return "\r\n".join(lines).encode() + error


@pytest.mark.parametrize(
    "play",
    [
        hang,
        read_nothing,
        stop_after_headers,
        stop_in_the_body,
        drip_the_headers,
        drip_the_body,
        drip_chunks,
        end_too_soon,
        reset,
        hang_up,
        speak_nonsense,
    ],
)
def test_a_call_ends_whatever_the_server_does(clients_of, play):
    with serving(play) as server:
        assert type(call(clients_of(server.port))) is UnavailableError


def test_a_server_that_is_not_there_is_unavailable(clients_of):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert type(call(clients_of(taken.getsockname()[1]))) is UnavailableError


def test_connections_are_used_again_and_a_slow_call_leaves_nothing_to_the_next(clients_of):
    def play(server, connection, number):
        while server.receive(connection):
            if server.requests % 3 == 0:
                server.stopping.wait(0.15)
            connection.sendall(OK + BODY)

    with serving(play) as server:
        clients = clients_of(server.port)
        for _ in range(9):
            assert call(clients, 5.0)["recommendationId"] == "r"
        assert (server.connections, server.requests) == (1, 9)


def test_a_connection_that_was_closed_meanwhile_costs_no_call(clients_of):
    def play(server, connection, number):
        server.receive(connection)
        connection.sendall(OK + BODY)

    with serving(play) as server:
        clients = clients_of(server.port)
        for _ in range(3):
            assert call(clients, 5.0)["recommendationId"] == "r"


@pytest.mark.parametrize("first", [reset, hang_up, respond(failing(500), 1), respond(failing(503), 1)])
def test_what_may_pass_is_tried_a_second_time(clients_of, first):
    def play(server, connection, number):
        if number == 1:
            first(server, connection, number)
        respond(OK + BODY)(server, connection, number)

    with serving(play) as server:
        assert call(clients_of(server.port), 5.0)["recommendationId"] == "r"
        assert server.requests == 2


def test_throttling_is_tried_a_second_time_and_no_third(clients_of):
    with serving(respond(failing(400, "ThrottlingException"))) as server:
        assert type(call(clients_of(server.port), 5.0)) is ThrottledError
        assert server.requests == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "InvalidInputException"), (404, "ResourceNotFoundException"), (403, "AccessDeniedException")],
)
def test_what_does_not_pass_is_not_tried_again(clients_of, status, code):
    with serving(respond(failing(status, code))) as server:
        call(clients_of(server.port), 5.0)
        assert server.requests == 1


def test_no_second_try_is_made_when_no_time_is_left():
    transport = Transport(chance=lambda: 0.0, connections=1)
    failed = (None, {"Error": {"Code": "ServiceUnavailable"}})
    for seconds, pause in ((5.0, 0.05), (0.09, None), (-1.0, None)):
        with transport.until(time.monotonic() + seconds):
            assert transport.pause(failed, attempts=1, caught_exception=None) == pause


def test_several_threads_have_a_connection_and_a_deadline_each(clients_of):
    """The server responds once it holds ten requests, so none of them waits for another's connection."""
    together = threading.Barrier(10)

    def play(server, connection, number):
        server.receive(connection)
        together.wait(ENDS_SECONDS)
        if number % 2:
            server.stopping.wait(FOREVER_SECONDS)
        connection.sendall(OK + BODY)

    with serving(play) as server:
        clients = clients_of(server.port)
        _ = clients.personalize_runtime
        found = []
        threads = [threading.Thread(target=lambda: found.append(call(clients, 3.0))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ENDS_SECONDS)
        assert len(found) == 10
        assert sum(type(each) is UnavailableError for each in found) == 5


@pytest.mark.parametrize("dead", [1, 4])
def test_addresses_that_do_not_respond_share_the_time(clients_of, monkeypatch, dead):
    """A host with several addresses, as services of AWS have, in a network without a route to some."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, serving(respond(OK + BODY)) as server:
        waiting = []
        for _ in range(4):  # until the backlog of the dead address is full, and connections hang
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        found = socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
        hanging = [(*each[:4], full.getsockname()) for each in found] * dead
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hanging + (found if dead == 1 else []))
        result = call(clients_of(server.port), 1.0 if dead == 1 else BUDGET_SECONDS)
        for each in waiting:
            each.close()
    if dead == 1:
        assert result["recommendationId"] == "r"
    else:
        assert type(result) is UnavailableError


@pytest.mark.parametrize("play", [respond(OK + BODY), drip_the_body])
def test_a_proxy_of_the_environment_is_used_and_the_deadline_holds(clients_of, monkeypatch, play):
    with serving(play) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://name:word@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        clients = clients_of(1, host="personalize.invalid")
        result = call(clients, 5.0 if play is not drip_the_body else BUDGET_SECONDS)
        assert proxy.requests == 1
        assert b"POST http://personalize.invalid:1/recommendations HTTP/1.1" in proxy.received
        assert b"Proxy-Authorization: Basic" in proxy.received
    if play is drip_the_body:
        assert type(result) is UnavailableError
    else:
        assert result["recommendationId"] == "r"


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of localhost that signs itself, in a file with its key."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not on the PATH. Install it: apt-get install openssl")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    key = path.with_suffix(".key")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", path]
    subprocess.run([openssl, *made, *names], check=True, capture_output=True)
    path.write_text(key.read_text() + path.read_text())
    return path


def speak_tls(certificate):
    """Return a server that responds over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def play(server, connection, number):
        with context.wrap_socket(connection, server_side=True) as secure:
            server.opened.append(secure)
            respond(OK + BODY)(server, secure, number)

    return play


@pytest.fixture
def secure_clients(monkeypatch):
    def make(port, host="localhost", ca_bundle=None):
        monkeypatch.setenv("AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME", f"https://{host}:{port}")
        if ca_bundle:
            monkeypatch.setenv("AWS_CA_BUNDLE", str(ca_bundle))
        return Clients(delivery_concurrency=1, page_concurrency=10)

    return make


def test_a_certificate_of_the_bundle_is_trusted_and_no_other(secure_clients, certificate):
    with serving(speak_tls(certificate)) as server:
        assert type(call(secure_clients(server.port), 5.0)) is UnavailableError
        trusting = secure_clients(server.port, ca_bundle=certificate)
        for _ in range(2):
            assert call(trusting, 5.0)["recommendationId"] == "r"


def test_a_certificate_of_another_host_is_refused(secure_clients, certificate):
    with serving(speak_tls(certificate)) as server:
        clients = secure_clients(server.port, host="127.0.0.1", ca_bundle=certificate)
        assert type(call(clients, 5.0)) is UnavailableError
        assert server.requests == 0


def test_a_handshake_that_hangs_ends(secure_clients, certificate):
    with serving(read_nothing) as server:
        assert type(call(secure_clients(server.port, ca_bundle=certificate))) is UnavailableError
