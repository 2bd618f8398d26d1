"""Fuzzes the API of a stack with schemathesis and with raw requests, and says what no document describes."""

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from chalicelib import contract
from tests.support.raw_requests import raw_requests, send_all

OPENAPI = Path(contract.__file__).parent / "openapi.json"
PROMISES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
DOCUMENTED = {
    int(status)
    for methods in json.loads(OPENAPI.read_text("utf-8"))["paths"].values()
    for operation in methods.values()
    for status in operation["responses"]
}


@contextmanager
def unthrottled_key(stack):
    """Yield a key whose plan lets everything pass, while the throttles of the stage are lifted."""
    gateway = stack.client("apigateway")
    api, stage = stack.stack.apiUrl.rsplit("/", 2)[1:]
    throttle = {"rateLimit": 10_000.0, "burstLimit": 10_000}
    plan = gateway.create_usage_plan(
        name="fuzz", apiStages=[{"apiId": api, "stage": stage}], throttle=throttle
    )
    key = gateway.create_api_key(name="fuzz", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    before = gateway.get_stage(restApiId=api, stageName=stage)["methodSettings"]["*/*"]
    _throttle_stage(gateway, api, stage, 10_000, 10_000)
    yield key["value"]
    _throttle_stage(gateway, api, stage, before["throttlingRateLimit"], before["throttlingBurstLimit"])
    gateway.delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"])
    gateway.delete_api_key(apiKey=key["id"])


def _throttle_stage(gateway, api, stage, rate, burst):
    limits = {"rateLimit": rate, "burstLimit": burst}
    gateway.update_stage(
        restApiId=api,
        stageName=stage,
        patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": str(value)}
            for name, value in limits.items()
        ],
    )


def run_schemathesis(stack, key, examples, seed):
    """Make requests from the served contract, valid and not. Return how many, and the report of a failure."""
    ran = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("run", f"{stack.stack.apiUrl}/openapi.json", "--url", stack.stack.apiUrl),
            *("--header", f"x-api-key: {key}"),
            *("--checks", ",".join(PROMISES), "--max-examples", str(examples)),
            *("--seed", str(seed), "--phases", "coverage,fuzzing", "--no-color"),
        ],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    generated = re.search(r"(\d+) generated", ran.stdout)
    return int(generated[1]) if generated else 0, ran.stdout + ran.stderr if ran.returncode else ""


def undocumented_responses(stack, key, number, seed):
    """Send raw requests. Return what is wrong with each response that no document describes."""
    requests = raw_requests(stack.stack.apiUrl, key, number, seed)
    return [
        f"{problem}: {response} to {request.text[:600]!r}"
        for request, response in send_all(stack.stack.apiUrl, requests)
        if (problem := _problem(request, response))
    ]


def _problem(request, response):
    """Return what is wrong with a response, or None. Only what reaches the API has to be in its form."""
    if "x-amzn-requestid" in response.headers or response.status == 413:
        return _problem_of_api(request, response)
    if request.is_http:
        return "not from the API"
    return None if response.status in (None, 400, 403, 408, 431, 501) else "of no HTTP server"


def _problem_of_api(request, response):
    if response.status not in DOCUMENTED:
        return "an undocumented status"
    if response.status >= 500:
        return "a fault of ours"
    if request.text.startswith((b"HEAD ", b"OPTIONS ")):
        return None
    try:
        body = json.loads(response.body)
    except ValueError:
        return "no JSON"
    is_problem = isinstance(body.get("Code"), str) and isinstance(body.get("Message"), str)
    return None if response.status < 400 or is_problem else "no Code and Message"
