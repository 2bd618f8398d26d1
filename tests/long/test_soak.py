"""A short soak: HTTP requests to ``make run`` while faults change and its parts and itself are killed."""

import socket
import threading

import pytest

from simulation.soak.connection import Connection, NoResponseError, NotSentError
from simulation.soak.report import report
from simulation.soak.run import run
from simulation.soak.scenario import Scenario


def test_what_clients_were_told_is_what_arrives(tmp_path):
    scenario = Scenario(
        minutes=1,
        rate=20,
        phase_seconds=20,
        faults=("throttled", "resets", "everything"),
        clients=30,
        worker_kills=1,
        poison=9,
        limit_seconds=120,
    )
    result = run(scenario, home=tmp_path)
    assert result.broken == [], report(result)
    assert result.requests == 1_200
    assert result.counts.quarantined == 27
    assert result.counts.accepted > 1_600
    assert all(result.kills.values())


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def serve():
    """``serve(response, ...)`` returns the address of a server: each connection gets one, and is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = []

        def start(*responses):
            def respond():
                for response in responses:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(response)

            threads.append(threading.Thread(target=respond))
            threads[-1].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start
        for thread in threads:
            thread.join(10)


def test_a_request_that_was_not_sent_is_told_from_one_without_a_response(serve):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(NotSentError):
        Connection(f"http://127.0.0.1:{port}").request("POST", "/")
    with pytest.raises(NoResponseError):
        Connection(serve(b"")).request("POST", "/")


def test_a_connection_that_the_server_has_closed_is_opened_again(serve, eventually):
    connection = Connection(serve(OK, OK))
    assert connection.request("POST", "/").content == b"ok"
    eventually(lambda: connection.closed_by_server)
    assert connection.request("POST", "/").content == b"ok"
    connection.close()
