"""The dashboard of a template as CloudWatch gets it: its body resolved, its metrics without abbreviations."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

PSEUDO = {"AWS::Region": "eu-west-1", "AWS::Partition": "aws", "AWS::AccountId": "111122223333"}


def body_of(template: Mapping[str, Any], *, is_emulated: bool) -> dict[str, Any]:
    """Return the body of the one dashboard. The value of a resource or parameter is its name in ``<>``."""
    [dashboard] = [r for r in template["Resources"].values() if r["Type"] == "AWS::CloudWatch::Dashboard"]
    text = _resolved(dashboard["Properties"]["DashboardBody"], template, is_emulated)
    assert isinstance(text, str)
    body = json.loads(text)
    assert isinstance(body, dict)
    return body


def _resolved(node: Any, template: Mapping[str, Any], is_emulated: bool) -> Any:
    """Return the value of an expression, of the few functions that a dashboard uses."""
    if isinstance(node, list):
        return [_resolved(item, template, is_emulated) for item in node]
    if not isinstance(node, dict):
        return node
    [(function, argument)] = node.items()
    if function == "Fn::If":
        condition, yes, no = argument
        assert condition == "OnAws"
        return _resolved(no if is_emulated else yes, template, is_emulated)
    if function == "Fn::Sub":
        text, variables = argument if isinstance(argument, list) else (argument, {})
        known = {name: _resolved(value, template, is_emulated) for name, value in variables.items()}
        named = _named(template, is_emulated)
        return re.sub(
            r"\$\{([^}]+)\}", lambda found: known[found[1]] if found[1] in known else named(found[1]), text
        )
    values = _resolved(argument, template, is_emulated)
    of: dict[str, Callable[[], Any]] = {
        "Ref": lambda: _named(template, is_emulated)(values),
        "Fn::Select": lambda: values[1][values[0]],
        "Fn::Split": lambda: values[1].split(values[0]),
    }
    return of[function]()


def _named(template: Mapping[str, Any], is_emulated: bool) -> Callable[[str], str]:
    def value_of(name: str) -> str:
        if name in PSEUDO:
            return PSEUDO[name]
        resource = template["Resources"].get(name, {})
        assert name in {"AWS::StackName", "RestAPIapiStage"} or resource or name in template["Parameters"], (
            name
        )
        assert not (is_emulated and resource.get("Condition") == "OnAws"), f"{name} is not there"
        is_queue = resource.get("Type") == "AWS::SQS::Queue" or name == "QuarantineQueue"
        return f"https://sqs.eu-west-1.amazonaws.com/111122223333/<{name}>" if is_queue else f"<{name}>"

    return value_of


def metrics_of(widget: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield namespace, name and dimensions of each metric of a widget. "." is the value of the one before."""
    before: list[str] = []
    for entry in widget["properties"].get("metrics", []):
        words = [word for word in entry if isinstance(word, str)]
        if words:
            before = [before[place] if word == "." else word for place, word in enumerate(words)]
            namespace, name, *dimensions = before
            yield namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))
