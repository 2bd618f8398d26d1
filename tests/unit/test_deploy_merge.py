"""One merge document from three templates, and what is refused in what Chalice makes of it."""

import pytest

from ops.errors import PackagingError
from ops.packaging import merge


def template(**sections):
    return {"Parameters": {}, "Resources": {}, "Description": "a part"} | sections


ACCESS = """
Parameters:
  RestAPI: {Type: String}
  AlarmTopic: {Type: String}
  AllowedOrigin: {Type: String, Default: "*"}
  ApiName: {Type: String}
  MonthlyQuota: {Type: Number}
Resources:
  Denied:
    Type: AWS::ApiGateway::GatewayResponse
    Properties:
      RestApiId: !Ref RestAPI
      ResponseType: DEFAULT_4XX
      StatusCode: "400"
      ResponseParameters:
        gatewayresponse.header.Access-Control-Allow-Origin: !Sub "'${AllowedOrigin}'"
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      Dimensions: [{Name: ApiName, Value: !Ref ApiName}]
      AlarmDescription: !Sub "${ApiName} answers ${AllowedOrigin}"
      AlarmActions: [!Ref AlarmTopic]
"""


@pytest.fixture
def merged():
    pipeline = template(Resources={"AlarmTopic": {"Type": "AWS::SNS::Topic"}})
    settings = template(
        Description="the whole",
        Resources={"RestAPI": {"Properties": {"DefinitionBody": {"info": {"title": "x"}}}}},
    )
    return merge.merge_document(pipeline, merge.load(ACCESS), settings, allowed_origin="https://shop.example")


def test_short_intrinsics_are_read_as_long_ones():
    text = (
        "{a: !Ref X, b: !GetAtt X.Arn, c: !If [C, !Sub '${X}', !Ref Y], d: !GetAtt [X, Arn], e: !Condition Z}"
    )
    assert merge.load(text) == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["X", "Arn"]},
        "c": {"Fn::If": ["C", {"Fn::Sub": "${X}"}, {"Ref": "Y"}]},
        "d": {"Fn::GetAtt": ["X", "Arn"]},
        "e": {"Condition": "Z"},
    }


def test_yaml_is_written_without_aliases_which_cloudformation_does_not_read():
    shared = {"Service": "lambda.amazonaws.com"}
    text = merge.dump({"one": shared, "other": shared})
    assert "&" not in text
    assert "*" not in text
    assert merge.load(text) == {"one": shared, "other": shared}


def test_parameters_that_stand_for_resources_or_are_known_now_are_dropped(merged):
    assert set(merged["Parameters"]) == {"MonthlyQuota"}
    assert merged["Resources"]["Alarm"]["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}]


def test_known_values_take_the_place_of_their_parameters(merged):
    alarm = merged["Resources"]["Alarm"]["Properties"]
    assert alarm["Dimensions"][0]["Value"] == {"Ref": "AWS::StackName"}
    assert alarm["AlarmDescription"] == {"Fn::Sub": "${AWS::StackName} answers https://shop.example"}


def test_gateway_responses_become_part_of_the_definition(merged):
    definition = merged["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    assert definition["x-amazon-apigateway-gateway-responses"] == {
        "DEFAULT_4XX": {
            "statusCode": "400",
            "responseParameters": {
                "gatewayresponse.header.Access-Control-Allow-Origin": "'https://shop.example'"
            },
        }
    }
    assert definition["info"] == {"title": "x"}
    assert "Denied" not in merged["Resources"]


def test_the_description_is_that_of_the_whole(merged):
    assert merged["Description"] == "the whole"


def test_two_templates_that_disagree_are_refused_with_the_place():
    one = template(Resources={"A": {"Type": "AWS::SNS::Topic"}})
    other = template(Resources={"A": {"Type": "AWS::SQS::Queue"}})
    with pytest.raises(PackagingError, match=r"define Resources\.A\.Type differently"):
        merge.join([other], onto=one)


def good():
    return {
        "Resources": {
            "DeliverEvents": {"Type": "F", "Properties": {"Events": {"Source": {}}}},
            "RestAPI": {"Type": "A"},
        }
    }


def test_what_chalice_makes_is_accepted():
    merge.check_merged(good())


def test_a_second_event_source_is_refused():
    template = good()
    template["Resources"]["DeliverEvents"]["Properties"]["Events"]["Misspelt"] = {}
    with pytest.raises(PackagingError, match=r"2 event sources instead of 1 \(Misspelt, Source\)"):
        merge.check_merged(template)


def test_settings_for_a_resource_that_is_not_there_are_refused():
    template = good()
    template["Resources"]["ApiHandlr"] = {"Properties": {}}
    with pytest.raises(PackagingError, match="settings for ApiHandlr, which Chalice does not make"):
        merge.check_merged(template)
