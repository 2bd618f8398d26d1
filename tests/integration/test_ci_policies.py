"""The policies of CI in resources/ against what a deployment needs (tests/support/ci_rights.py)."""

import json
import re
from pathlib import Path

import pytest

from tests.functional.test_template import template, transformed  # noqa: F401 - fixtures
from tests.support.ci_rights import NAMES, NOT_GIVEN, rights_of_handlers, rights_of_ops
from tests.support.iam import actions_of, listed, matches, statements_for, statements_of

RESOURCES = Path(__file__).parents[2] / "resources"
INLINE_LIMIT = 10_240
"""Characters of the inline policies of a role, without spaces (IAM quotas)."""
MANAGED_LIMIT = 6_144
"""Characters of a managed policy, which a boundary is, without spaces (IAM quotas)."""
BOUNDARY = "arn:aws:iam::111122223333:policy/personalize-api-boundary"
VIA_CLOUDFORMATION = {"aws:CalledVia": ["cloudformation.amazonaws.com"]}


def policy(name):
    return json.loads((RESOURCES / name).read_text("utf-8"))


@pytest.fixture
def role():
    return policy("ci-role.json")


def types_of(document):
    return {resource["Type"] for resource in document["Resources"].values()}


def test_every_call_of_deploy_stack_and_doctor_is_allowed(role):
    needed = set(rights_of_ops())
    assert {"cloudformation:CreateChangeSet", "s3:PutObject", "personalize:DescribeCampaign"} <= {
        a for a, _ in needed
    }
    # Without CalledVia: the program makes these calls itself.
    missing = {
        (action, name)
        for action, name in needed
        if not any("Condition" not in s for s in statements_for(role, action, name))
    }
    assert missing == set(), "add these rights to resources/ci-role.json"


def test_the_sam_transform_may_be_used(role):
    transform = "arn:aws:cloudformation:eu-west-1:aws:transform/Serverless-2016-10-31"
    assert statements_for(role, "cloudformation:CreateChangeSet", transform)


def test_what_cloudformation_does_for_each_resource_is_allowed(role, transformed):  # noqa: F811
    types = types_of(transformed)
    assert {"AWS::IAM::Role", "AWS::Lambda::Function", "AWS::KMS::Key", "AWS::Glue::Table"} <= types
    needed = set(rights_of_handlers(types))
    missing = {(action, name) for action, name in needed if not statements_for(role, action, name)}
    assert missing == set(), "add these rights to resources/ci-role.json, or to UNUSED with the reason"


def test_no_right_is_there_that_nothing_needs(role, transformed):  # noqa: F811
    needed = {action for action, _ in {*rights_of_ops(), *rights_of_handlers(types_of(transformed))}}
    stale = [
        pattern
        for pattern in actions_of(role)
        if not any(matches(pattern.lower(), action.lower()) for action in needed)
    ]
    assert stale == []


def test_what_is_not_given_is_not_allowed(role):
    for action in NOT_GIVEN:
        assert not statements_for(role, action, NAMES["cloudformation"])


def test_only_cloudformation_changes_resources_and_only_those_of_this_project(role):
    for statement in role["Statement"]:
        for action in listed(statement["Action"]):
            reads = re.match(
                r"[a-z0-9]+:(Describe|Get|List)|apigateway:GET|sts:|cloudformation:", action, re.I
            )
            if reads or statement["Sid"] in {"Upload", "PassRoles", "SwitchFailureReports"}:
                continue
            assert statement["Condition"]["ForAnyValue:StringEquals"] == VIA_CLOUDFORMATION, action
    for name in ("shop", "personalize", "admin"):
        for action, arn in (
            ("iam:PassRole", f"arn:aws:iam::111122223333:role/{name}"),
            ("iam:CreateRole", f"arn:aws:iam::111122223333:role/{name}"),
            ("s3:PutObject", f"arn:aws:s3:::{name}/x"),
            ("s3:PutObject", "arn:aws:s3:::personalize-api-prod-eventsbucket-x/events/x"),
            ("lambda:UpdateFunctionCode", f"arn:aws:lambda:eu-west-1:111122223333:function:{name}"),
            (
                "cloudformation:CreateChangeSet",
                f"arn:aws:cloudformation:eu-west-1:111122223333:stack/{name}/x",
            ),
        ):
            assert not statements_for(role, action, arn), (action, arn)


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"])
@pytest.mark.parametrize("name", ["ci-role.json", "ci-boundary.json"])
def test_no_role_gets_rights_without_the_boundary(action, name):
    [statement] = statements_for(policy(name), action, NAMES["iam"])
    [pattern] = listed(statement["Condition"]["ArnLike"]["iam:PermissionsBoundary"])
    assert matches(pattern, BOUNDARY)
    assert not matches(pattern, "arn:aws:iam::111122223333:policy/AdministratorAccess")


@pytest.mark.parametrize(
    "action",
    [
        "DeleteRolePermissionsBoundary",
        "AttachRolePolicy",
        "CreatePolicyVersion",
        "CreateUser",
        "CreateAccessKey",
    ],
)
@pytest.mark.parametrize("name", ["ci-role.json", "ci-boundary.json"])
def test_no_boundary_can_be_changed_or_left(action, name):
    for arn in (NAMES["iam"], BOUNDARY, "arn:aws:iam::111122223333:user/x"):
        assert not statements_for(policy(name), f"iam:{action}", arn)


def test_the_boundary_of_ci_takes_nothing_from_its_role(role):
    boundary = policy("ci-boundary.json")
    for statement in role["Statement"]:
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                if action.partition(":")[0] in {
                    "cloudformation",
                    resource.split(":")[2] if resource != "*" else "",
                }:
                    assert statements_for(boundary, action, resource), (action, resource)


def test_the_boundary_of_the_roles_takes_nothing_from_the_roles(transformed):  # noqa: F811
    boundary = policy("roles-boundary.json")
    for role in (r for r in transformed["Resources"].values() if r["Type"] == "AWS::IAM::Role"):
        for document in role["Properties"]["Policies"]:
            for _, statement in statements_of(document["PolicyDocument"]):
                for action in listed(statement["Action"]):
                    assert [a for a in actions_of(boundary) if matches(a, action)], action


def test_every_role_of_the_stack_has_the_boundary_that_is_given(transformed):  # noqa: F811
    roles = [r for r in transformed["Resources"].values() if r["Type"] == "AWS::IAM::Role"]
    assert len(roles) == 3
    for role in roles:
        assert role["Properties"]["PermissionsBoundary"] == {
            "Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]
        }


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("ci-role.json", INLINE_LIMIT),
        ("ci-boundary.json", MANAGED_LIMIT),
        ("roles-boundary.json", MANAGED_LIMIT),
    ],
)
def test_iam_takes_a_policy_of_this_size(name, limit):
    assert len(re.sub(r"\s", "", (RESOURCES / name).read_text("utf-8"))) <= limit
