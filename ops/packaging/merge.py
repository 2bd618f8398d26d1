"""What goes into ``chalice package --merge-template``, and the rules for the result. Pure.

Three files become one merge document: pipeline.yaml and access.yaml, which are templates on their own, and
one-stack.yaml, which adds to Chalice's resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import yaml

from ops.errors import PackagingError

Document = dict[str, Any]

API = "RestAPI"
API_FUNCTION = "APIHandler"
EVENT_CONSUMER = "DeliverEvents"

CHALICE_IDS = frozenset({API, "RestAPIapiStage", API_FUNCTION, EVENT_CONSUMER})
"""Logical ids that Chalice and the SAM transform give. The stage's is made of the API's id and 'api'."""


if TYPE_CHECKING:
    SafeLoader = yaml.SafeLoader
else:
    # The same parser in C, several times as fast, where PyYAML was built with it.
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(SafeLoader):
    """Reads !Ref, !GetAtt and the other short forms as the long ones, which JSON can hold too."""


def _short_form(loader: SafeLoader, tag: str, node: yaml.Node) -> Document:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - YAML has no other kind of node
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _short_form)


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: CloudFormation does not read YAML aliases, and Chalice's own template has one."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def load(text: str) -> Document:
    """Return a template, JSON or YAML, with every intrinsic function in its long form."""
    loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with more constructors  # nosec B506
    if not isinstance(loaded, dict):
        raise PackagingError("A template must be a mapping with the key Resources.")
    return loaded


def dump(document: Document) -> str:
    """Return the document as YAML that CloudFormation reads. The same document gives the same text."""
    return yaml.dump(document, Dumper=_Dumper, allow_unicode=True, width=1000)


def merge_document(
    pipeline: Document, access: Document, settings: Document, *, allowed_origin: str
) -> Document:
    """Return one document from the three files, for an API that pages of ``allowed_origin`` may call.

    A parameter with the name of a resource of the merged stack is removed, so that a Ref means the resource.
    """
    stack_name = {"Ref": "AWS::StackName"}
    bound = bind(access, {"AllowedOrigin": allowed_origin, "ApiName": stack_name, "ServiceName": stack_name})
    made_here = CHALICE_IDS.union(*(part["Resources"] for part in (pipeline, access, settings)))
    parts = [
        _without_parameters(part, made_here)
        for part in (pipeline, gateway_responses_into_definition(bound), settings)
    ]
    joined = join(parts[1:], onto=parts[0])
    return joined | {"Description": settings["Description"]}


def bind(template: Document, values: Mapping[str, str | Document]) -> Document:
    """Return the template with a text or a Ref in the place of the parameters in ``values``."""
    bound = _without_parameters(template, values)
    return {key: _bound(value, values) for key, value in bound.items()}


def _bound(node: Any, values: Mapping[str, str | Document]) -> Any:
    if isinstance(node, list):
        return [_bound(item, values) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"Ref"} and node["Ref"] in values:
        return values[node["Ref"]]
    if node.keys() == {"Fn::Sub"} and isinstance(node["Fn::Sub"], str):
        return _bound_text(node["Fn::Sub"], values)
    return {key: _bound(value, values) for key, value in node.items()}


def _bound_text(text: str, values: Mapping[str, str | Document]) -> Any:
    for name, value in values.items():
        shown = value if isinstance(value, str) else f"${{{value['Ref']}}}"
        text = text.replace(f"${{{name}}}", shown)
    return {"Fn::Sub": text} if "${" in text else text


def gateway_responses_into_definition(template: Document) -> Document:
    """Return the template with the gateway's own responses in the definition of the API.

    API Gateway uses the responses that the API had when it was deployed. As resources they are made at the
    same time as the API's deployment, and a change of them deploys nothing. A changed definition makes the
    SAM transform deploy again
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/updating-api.html).
    """
    kept, responses = {}, {}
    for name, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::ApiGateway::GatewayResponse":
            kept[name] = resource
            continue
        properties = resource["Properties"]
        responses[properties["ResponseType"]] = {
            inside: properties[outside]
            for outside, inside in (
                ("StatusCode", "statusCode"),
                ("ResponseParameters", "responseParameters"),
                ("ResponseTemplates", "responseTemplates"),
            )
            if outside in properties
        }
    definition = {"x-amazon-apigateway-gateway-responses": responses}
    return template | {"Resources": kept | {API: {"Properties": {"DefinitionBody": definition}}}}


def join(parts: Iterable[Document], *, onto: Document) -> Document:
    """Return the deep union of templates. Raises PackagingError where two of them differ in one place."""
    joined = onto
    for part in parts:
        joined = _union(joined, {k: v for k, v in part.items() if k != "Description"}, ())
    return joined


def _union(one: Any, other: Any, path: tuple[str, ...]) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        merged = dict(one)
        for key, value in other.items():
            merged[key] = _union(one[key], value, (*path, key)) if key in one else value
        return merged
    if one != other:
        raise PackagingError(f"Two templates in resources/ define {'.'.join(path)} differently.")
    return one


def _without_parameters(template: Document, names: Iterable[str]) -> Document:
    dropped = set(names)
    parameters = {k: v for k, v in template.get("Parameters", {}).items() if k not in dropped}
    return template | {"Parameters": parameters}


def check_merged(template: Document) -> None:
    """Raise PackagingError for what the merge accepts without a word: a setting beside its resource."""
    resources = template["Resources"]
    misplaced = sorted(name for name, resource in resources.items() if "Type" not in resource)
    if misplaced:
        raise PackagingError(
            f"one-stack.yaml has settings for {', '.join(misplaced)}, which Chalice does not make. "
            "Check the spelling against 'chalice package'."
        )
    events = resources.get(EVENT_CONSUMER, {}).get("Properties", {}).get("Events", {})
    if len(events) != 1:
        raise PackagingError(
            f"{EVENT_CONSUMER} has {len(events)} event sources instead of 1 ({', '.join(sorted(events))}). "
            "Check the name under Events in one-stack.yaml."
        )
