"""The point of the Lambda runtime: its botocore against what our clients rely on."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from ops.diagnosis import Finding, bad, good
from ops.packaging.bundle import ROOT
from ops.verify.ledger import Kind
from ops.verify.play import Play
from ops.verify.points import Answer, Point
from ops.verify.removal import remove_thing
from ops.verify.runtime_probe import MILLISECONDS

START_SECONDS = 60.0


def runtime(play: Play) -> Answer:
    """Run our clients in a function of the same runtime, which exists for a moment and makes no call."""
    functions = play.clients("lambda")
    deployed = functions.get_function_configuration(FunctionName=play.deployment.delivery_function)
    name = f"personalize-api-{play.mark}"
    thing = play.note(Kind.FUNCTION, name)
    functions.create_function(
        FunctionName=name,
        Runtime=deployed["Runtime"],
        Architectures=deployed.get("Architectures", ["x86_64"]),
        Role=play.role,
        Handler="runtime_probe.handler",
        Code={"ZipFile": package()},
        Timeout=30,
        MemorySize=512,
        Description="A question of make verify. Delete it.",
    )
    play.poll(lambda: _is_active(functions, name), START_SECONDS, 0.5)
    response = functions.invoke(FunctionName=name)
    found: dict[str, Any] = json.loads(response["Payload"].read())
    remove_thing(play, thing)
    call = f"CreateFunction {deployed['Runtime']}, Invoke: PutEvents up to the moment of sending"
    return Answer(judge(found), call, str(found.get("body") or found.get("errorMessage", "nothing")))


def judge(found: dict[str, Any]) -> Finding:
    """Return what the function has found. Pure."""
    if "body" not in found:
        return bad(
            f"Our clients do not work on the runtime's botocore: {found.get('errorMessage', 'no response')}",
            "Package boto3 and botocore with the functions (requirements.txt).",
        )
    version, body = found["botocore"], json.loads(found["body"])
    if round(body["eventList"][0]["sentAt"] * 1000) % 1000 != MILLISECONDS:
        return bad(
            f"botocore {version} of the runtime drops the milliseconds of sentAt: events of one second lose "
            "their order.",
            "Package boto3 and botocore with the functions (requirements.txt).",
        )
    return good(f"botocore {version} of the runtime sends milliseconds and takes our loader.")


def package() -> bytes:
    """Return the zip of the function."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((ROOT / "chalicelib").glob("*.py")):
            archive.write(path, path.relative_to(ROOT))
        archive.write(ROOT / "ops" / "verify" / "runtime_probe.py", "runtime_probe.py")
    return content.getvalue()


def _is_active(functions: Any, name: str) -> bool:
    found = functions.get_function_configuration(FunctionName=name)
    return bool(found.get("State", "Active") == "Active")


def points() -> Iterator[Point]:
    """Yield the point."""
    yield Point(
        "Lambda runtime",
        "Does the runtime's botocore do what our clients rely on: milliseconds of sentAt, the loader?",
        "docs/performance.md",
        runtime,
        only_on_aws=True,
    )
