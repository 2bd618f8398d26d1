"""The policies of the one stack: actions from .chalice/, resources from the table, joined by Sid."""

import pytest

from ops.errors import PackagingError
from ops.packaging import policies

READ = {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::prefix-*"]}
WRITE = {"Sid": "Write", "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "*"}


def derive(statements, resources, conditions=()):
    table = {"Role": {"PolicyName": "p", "File": "policy.json", "Resources": resources}}
    one_stack = {"Policies": table, "Resources": {"Other": {"Properties": {}}}}
    if conditions:
        one_stack["Conditions"] = {name: {} for name in conditions}
    return policies.with_policies(one_stack, {"policy.json": {"Version": "v", "Statement": statements}})


def where(condition, statement):
    return {"Fn::If": [condition, statement, {"Ref": "AWS::NoValue"}]}


def test_resources_of_a_condition_make_a_statement_of_their_own_with_the_same_actions():
    resources = {"Always": [{"Ref": "A"}], "HasB": [{"Ref": "B"}], "HasC": {"Fn::Split": [",", "c"]}}
    derived = derive([READ], {"Read": resources}, ["HasB", "HasC"])
    [policy] = derived["Resources"]["Role"]["Properties"]["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        READ | {"Resource": [{"Ref": "A"}]},
        where("HasB", READ | {"Sid": "ReadWhereHasB", "Resource": [{"Ref": "B"}]}),
        where("HasC", READ | {"Sid": "ReadWhereHasC", "Resource": {"Fn::Split": [",", "c"]}}),
    ]


def test_a_condition_that_the_stack_does_not_have_is_named():
    with pytest.raises(PackagingError, match=r"The Sid Read .* for the condition HasBee, which"):
        derive([READ], {"Read": {"HasBee": ["b"]}}, ["HasB"])


def test_a_conditional_sid_that_is_only_in_the_table_is_named():
    with pytest.raises(PackagingError, match=r"Sid Reed is in the table Policies .* not in \.chalice/policy"):
        derive([READ], {"Read": "*", "Reed": {"HasB": ["b"]}}, ["HasB"])


def test_actions_come_from_the_file_and_resources_from_the_table():
    derived = derive([WRITE, READ], {"Read": [{"Ref": "Bucket"}], "Write": "*"})
    assert derived == {
        "Resources": {
            "Other": {"Properties": {}},
            "Role": {
                "Properties": {
                    "Policies": [
                        {
                            "PolicyName": "p",
                            "PolicyDocument": {
                                "Version": "v",
                                "Statement": [WRITE, READ | {"Resource": [{"Ref": "Bucket"}]}],
                            },
                        }
                    ]
                }
            },
        }
    }


@pytest.mark.parametrize(
    ("statements", "resources", "sentence"),
    [
        (
            [READ, WRITE],
            {"Read": "*"},
            r"Sid Write is in \.chalice/policy\.json and not in resources/one-stack",
        ),
        (
            [READ],
            {"Read": "*", "Wriet": "*"},
            r"Sid Wriet is in the table Policies .* not in \.chalice/policy",
        ),
        ([READ, READ], {"Read": "*"}, "two statements with the Sid Read"),
        ([{"Effect": "Allow"}], {}, "has no Sid"),
    ],
)
def test_a_sid_that_is_in_only_one_of_them_is_named(statements, resources, sentence):
    with pytest.raises(PackagingError, match=sentence):
        derive(statements, resources)
