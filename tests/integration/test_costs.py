"""What a request, a batch and a start may cost in things that can be counted. Times are in `make bench`.

The functions run as on Lambda: from the unpacked package, in a process of their own, against a server that
counts calls.
"""

import json
import subprocess
import sys

import pytest

from bench.cold_start import STARTS
from bench.sandbox import environment, sandbox
from bench.server import running_server
from bench.traffic import fewest_calls
from ops.packaging.bundle import BUILD

THE_RUNTIMES_OWN = {"botocore", "dateutil", "jmespath", "six", "urllib3"}
"""What Lambda's Python brings along, as far as botocore loads it."""
OURS = {"app", "chalice", "chalicelib"}
NEVER_LOADED = {
    "APIHandler, /recommendations": {"cors_spelling", "delivery", "records", "stream"},
    "APIHandler, /history": {"cors_spelling", "delivery"},
    "DeliverEvents": {"cors_spelling", "api", "stream"},
}
"""Packages and modules of chalicelib that a function has no use for."""
MAX_KILOBYTES = {
    "APIHandler, /recommendations": 100,
    "APIHandler, /history": 104,
    "DeliverEvents": 124,
}
"""Of the application's own source that a function loads, Chalice not counted. A kilobyte takes a quarter of a
millisecond of a cold start. Among it is what reads filters, campaigns, promotions and allowed origins, what
finds wrong ids and misspelt names, and for recommendations what keeps the budget and stands in."""
CLIENT = {
    "APIHandler, /recommendations": {"personalize_runtime", "transport"},
    "APIHandler, /history": {"kinesis"},
    "DeliverEvents": {"personalize_events"},
}
WHAT_IS_THERE = """
import json, os, sys
from app import services
ours = [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib")]
print(json.dumps({
    "modules": sorted(sys.modules),
    "bytes": sum(os.path.getsize(sys.modules[name].__file__) for name in ours),
    "clients": [name for name in vars(services.clients) if name[0] != "_"],
}))
"""


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running


@pytest.fixture
def calls_of(server):
    """``calls_of(target)``: AWS calls by operation that a call of a function of bench.handlers makes.

    It is a second call: what a sandbox keeps of the first one must not save the work that is measured.
    """

    def count(target):
        with sandbox(f"bench.handlers:{target}", server.url, warm_up=1) as box:
            server.calls()
            box.run()
        return server.calls()

    return count


@pytest.mark.parametrize(
    ("target", "calls"),
    [
        ("our_recommendations", {"GetRecommendations": 1}),
        ("our_history 1", {"PutRecords": 1}),
        ("our_history 500", {"PutRecords": 1}),
    ],
)
def test_a_request_is_one_call(calls_of, target, calls):
    assert calls_of(target) == calls


@pytest.mark.parametrize(
    ("records", "sessions"), [(1, 1), (100, 100), (1_000, 200), (1_000, 3), (10_000, 3_000)]
)
def test_a_batch_is_delivered_in_the_fewest_calls(calls_of, records, sessions):
    assert calls_of(f"our_delivery {records} {sessions}") == {"PutEvents": fewest_calls(records, sessions)}


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.what)
def test_a_function_loads_what_it_uses_and_makes_the_one_client_that_it_needs(server, start):
    ran = subprocess.run(
        [sys.executable, "-P", "-c", start.ours + WHAT_IS_THERE],
        cwd=BUILD,
        env=environment(server.url),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    ours = {name.split(".")[1] for name in found["modules"] if name.startswith("chalicelib.")}
    assert ours.isdisjoint(NEVER_LOADED[start.what])
    assert found["bytes"] <= 1024 * MAX_KILOBYTES[start.what]
    packages = {name.partition(".")[0] for name in found["modules"]} - set(sys.stdlib_module_names)
    loaded = {name for name in packages if not name.startswith("_")} - {"bench", "sitecustomize"}
    assert loaded <= THE_RUNTIMES_OWN | OURS | {"fastjsonschema", "certifi"}
    assert set(found["clients"]) == CLIENT[start.what]
