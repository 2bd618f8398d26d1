"""A contender: the handler of a first try. A body of JSON, a client with all defaults made at import, prints.

It has what the sample that this project replaces had, and nothing else: no validation, no error handling. It
prints the whole event and the whole response, so its log holds API keys and user ids.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3

_make_client: Any = boto3.client
personalize = _make_client("personalize-runtime")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the response of Personalize in the form of a proxy integration."""
    print(event)
    body = json.loads(event["body"])
    response = personalize.get_recommendations(
        campaignArn=os.environ["CAMPAIGN_ARN"], userId=body["userId"], numResults=body["numResults"]
    )
    print(response)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({name: response[name] for name in ("itemList", "recommendationId")}),
    }
