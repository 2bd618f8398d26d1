"""Lambda's rules for one event source mapping and its function, behind a real client of botocore."""

from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

UUID = "14e0db71-0000-4000-8000-000000000001"


class FakeLambda:
    """Lambda's rules for a mapping: a change takes ``seconds``, and another one meanwhile is refused.

    The calls come through a real client, so botocore checks every argument.
    """

    def __init__(self, state="Enabled", seconds=0.0, update_seconds=10.0, **settings):
        self.clock = 0.0
        self.state, self.target = state, "Enabled" if state == "Enabled" else "Disabled"
        self.settled_at = seconds
        self.update_seconds = update_seconds
        self.settings = settings
        self.updates: list[dict[str, Any]] = []
        self.refused = 0
        self.intruder_at: float | None = None
        self.variables = {"REPORT_BATCH_ITEM_FAILURES": "true", "LOG_LEVEL": "INFO"}
        self.function_settled_at = 0.0
        self.function_seconds = 4.0
        self.function_reason = ""
        self.client: Any = boto3.client("lambda", region_name="us-east-1")
        self.client.meta.events.register("provide-client-params.lambda.*", self._remember)
        for operation, answer in {
            "GetEventSourceMapping": self._get,
            "UpdateEventSourceMapping": self._update,
            "ListEventSourceMappings": self._list,
            "GetFunctionConfiguration": self._get_function,
            "UpdateFunctionConfiguration": self._update_function,
        }.items():
            self.client.meta.events.register(f"before-call.lambda.{operation}", answer)

    def sleep(self, seconds):
        self.clock += seconds

    def now(self):
        return self.clock

    def _remember(self, params, **_):
        self.params = params

    def _settle(self):
        if self.clock >= self.settled_at and self.state not in {"Enabled", "Disabled", "Deleting"}:
            self.state = "Enabled"

    def _get(self, **_):
        self._settle()
        found = {"UUID": UUID, "State": self.state, **self.settings}
        if self.intruder_at is not None and self.clock >= self.intruder_at:
            self.intruder_at = None
            self.state, self.settled_at = "Updating", self.clock + 5
        return _response(200), found

    def _update(self, **_):
        self._settle()
        if self.state not in {"Enabled", "Disabled"}:
            self.refused += 1
            return _response(400), {
                "Error": {"Code": "ResourceInUseException", "Message": "The mapping is Updating."},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            }
        settings = {name: value for name, value in self.params.items() if name != "UUID"}
        self.updates.append(settings)
        self.settings |= settings
        self.state, self.settled_at = "Updating", self.clock + self.update_seconds
        return _response(200), {"UUID": UUID, "State": "Updating", **self.settings}

    def _list(self, **_):
        return _response(200), {"EventSourceMappings": [{"UUID": UUID, "State": self.state}]}

    def _get_function(self, **_):
        status = "Successful" if self.clock >= self.function_settled_at else "InProgress"
        return _response(200), {
            "Timeout": 120,
            "Environment": {"Variables": self.variables},
            "LastUpdateStatus": "Failed" if self.function_reason else status,
            "LastUpdateStatusReason": self.function_reason,
        }

    def _update_function(self, **_):
        self.variables = self.params["Environment"]["Variables"]
        self.function_settled_at = self.clock + self.function_seconds
        return _response(200), {"LastUpdateStatus": "InProgress"}


def _response(status):
    return AWSResponse("https://lambda.example", status, HTTPHeaders(), None)
