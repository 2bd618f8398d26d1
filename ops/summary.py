"""What a person needs after a deployment: where it is, how to get the key, and what to type next. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ops.command_lines import make_line, shell_line


def key_command(key_id: str, region: str) -> str:
    """Return the command that prints the value of the API key."""
    options = ("--include-value", "--query", "value", "--output", "text", "--region", region)
    return shell_line("aws", "apigateway", "get-api-key", *options, "--api-key", key_id)


def summary(outputs: Mapping[str, str], region: str, stage: str) -> str:
    """Return the outputs, and a request to paste. The key is not in it, because terminals are logged."""
    listed = "\n".join(f"  {name:<20} {value}" for name, value in sorted(outputs.items()))
    key = key_command(outputs["ApiKeyId"], region)
    call = shell_line(
        "curl", "-sw", r"\n", outputs["RecommendationsUrl"], "-H", "content-type: application/json"
    )
    body = shell_line("-d", json.dumps({"userId": "ann", "numResults": 5}))
    return f"""
Outputs:
{listed}

Recommendations  POST {outputs["RecommendationsUrl"]}
Events           POST {outputs["HistoryUrl"]}
Archive          s3://{outputs["EventsBucket"]}/events/
Dashboard        {outputs["DashboardUrl"]}
API key          {outputs["ApiKeyConsoleUrl"]}
                 {key}

Try it:

{call} \\
  -H "x-api-key: $({key})" {body}

Check the deployment: {make_line("doctor", STAGE=stage)}"""
