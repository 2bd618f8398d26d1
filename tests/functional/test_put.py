"""`make put` against Personalize, scripted by the Stubber: its calls, and what a refusal becomes."""

import json
import re
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from ops import cli
from ops.errors import AwsError, InputError, NotDeployedError
from ops.put import sender as sending
from ops.put.csv_file import CsvFile
from ops.put.dataset import campaign_of, check_arn, find_dataset, read_schema
from ops.put.kinds import KINDS
from ops.put.position import PositionFile
from ops.put.records import Record
from ops.put.schema import schema_of_header
from ops.put.sender import Sender
from ops.put.upload import Upload

ITEMS, USERS, ACTIONS = KINDS
PREFIX = "arn:aws:personalize:eu-west-1:111122223333"
CAMPAIGN, RECOMMENDER = f"{PREFIX}:campaign/shop", f"{PREFIX}:recommender/shop"
SOLUTION, GROUP, SCHEMA = f"{PREFIX}:solution/shop", f"{PREFIX}:dataset-group/shop", f"{PREFIX}:schema/shop"
DATASET = {kind.dataset_type: f"{PREFIX}:dataset/shop/{kind.dataset_type}" for kind in KINDS}
AVRO = json.dumps(
    {"fields": [{"name": "ITEM_ID", "type": "string"}, {"name": "YEAR", "type": ["null", "int"]}]}
)


def client_of(service) -> Any:
    return boto3.client(service, region_name="eu-west-1", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def personalize():
    with Stubber(client_of("personalize")) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def events():
    with Stubber(client_of("personalize-events")) as stub:
        yield stub
        stub.assert_no_pending_responses()


class Time:
    """A clock that only sleeping moves, and when each call was made by it."""

    def __init__(self, client):
        self.now = 0.0
        self.calls = []
        client.meta.events.register("before-parameter-build", lambda **_: self.calls.append(self.now))

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def time(events):
    return Time(events.client)


@pytest.fixture
def said():
    return []


@pytest.fixture
def sender(events, time, said):
    arn = DATASET["ITEMS"]
    return Sender(events.client, ITEMS, arn, time.clock, time.sleep, lambda: 1.0, said.append)


def records(names):
    return [Record(number, number + 2, name, None) for number, name in enumerate(names)]


def script(stub, names, code=None, status=400):
    expected = {"datasetArn": DATASET["ITEMS"], "items": [{"itemId": name} for name in names]}
    if code is None:
        stub.add_response("put_items", {}, expected)
    else:
        stub.add_client_error("put_items", code, "because of it", status, None, expected)


def script_datasets(stub, *pages):
    for number, types in enumerate(pages):
        more = {"nextToken": str(number)} if number + 1 < len(pages) else {}
        asked = {"nextToken": str(number - 1)} if number else {}
        found = [{"datasetArn": f"{PREFIX}:dataset/shop/{each}", "datasetType": each} for each in types]
        stub.add_response("list_datasets", {"datasets": found, **more}, {"datasetGroupArn": GROUP, **asked})


def script_campaign(stub, version="1"):
    found = {"solutionVersionArn": f"{SOLUTION}/{version}"}
    stub.add_response("describe_campaign", {"campaign": found}, {"campaignArn": CAMPAIGN})
    stub.add_response(
        "describe_solution", {"solution": {"datasetGroupArn": GROUP}}, {"solutionArn": SOLUTION}
    )


def script_schema(stub, arn):
    stub.add_response("describe_dataset", {"dataset": {"schemaArn": SCHEMA}}, {"datasetArn": arn})
    stub.add_response("describe_schema", {"schema": {"schema": AVRO}}, {"schemaArn": SCHEMA})


@pytest.mark.parametrize("version", ["1", "$LATEST"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_the_dataset_is_that_of_the_campaigns_group(personalize, kind, version):
    script_campaign(personalize, version)
    script_datasets(personalize, ["INTERACTIONS", "ACTION_INTERACTIONS"], ["Users", "ITEMS", "ACTIONS"])
    assert find_dataset(personalize.client, CAMPAIGN, kind).upper() == DATASET[kind.dataset_type].upper()


def test_a_recommender_names_its_group_itself(personalize):
    found = {"datasetGroupArn": GROUP}
    personalize.add_response("describe_recommender", {"recommender": found}, {"recommenderArn": RECOMMENDER})
    script_datasets(personalize, ["INTERACTIONS"])
    with pytest.raises(InputError, match="The dataset group shop has no dataset of items"):
        find_dataset(personalize.client, RECOMMENDER, ITEMS)


def test_the_schema_is_that_of_the_dataset(personalize):
    script_schema(personalize, DATASET["ITEMS"])
    assert [*read_schema(personalize.client, DATASET["ITEMS"], ITEMS).fields] == ["ITEM_ID", "YEAR"]


@pytest.mark.parametrize(
    ("parameters", "variables", "kind", "expected"),
    [
        ({"CampaignArn": "arn:1"}, {"CAMPAIGN_ARN": "set-me"}, ITEMS, "arn:1"),
        ({}, {"CAMPAIGN_ARN": "arn:2"}, USERS, "arn:2"),
        ({"CampaignArn": "arn:1", "ActionCampaignArn": ""}, {}, ACTIONS, "arn:1"),
        ({"CampaignArn": "arn:1", "ActionCampaignArn": "arn:3"}, {}, ACTIONS, "arn:3"),
        ({"CampaignArn": "arn:1", "ActionCampaignArn": "arn:3"}, {}, ITEMS, "arn:1"),
        ({}, {"CAMPAIGN_ARN": "arn:2", "ACTION_CAMPAIGN_ARN": "arn:4"}, ACTIONS, "arn:4"),
    ],
)
def test_actions_belong_to_the_campaign_for_actions(parameters, variables, kind, expected):
    assert campaign_of(parameters, variables, kind) == expected


def test_without_a_campaign_the_dataset_has_to_be_named():
    with pytest.raises(NotDeployedError, match=r"make put FILE=items\.csv ARGS='--dataset ARN'"):
        campaign_of({}, {"CAMPAIGN_ARN": "set-me"}, ITEMS)


@pytest.mark.parametrize(
    ("arn", "sentence"),
    [
        ("shop", "is not the ARN of a dataset"),
        (f"{PREFIX}:dataset/shop/USERS", "The file has items, and .* another type: USERS"),
        (DATASET["ITEMS"].replace("eu-west-1", "us-east-1"), "--region us-east-1"),
    ],
)
def test_a_dataset_that_takes_no_such_rows_is_refused(arn, sentence):
    check_arn(DATASET["ITEMS"], ITEMS, "eu-west-1")
    with pytest.raises(InputError, match=sentence):
        check_arn(arn, ITEMS, "eu-west-1")


def test_a_refused_call_is_halved_until_the_guilty_row_stands_alone(events, sender):
    refused = "InvalidInputException"
    script(events, "abcdefghij", refused)
    script(events, "abcde")
    script(events, "fghij", refused)
    script(events, "fgh", refused)
    script(events, "fg")
    script(events, "h", refused)
    script(events, "ij")
    (rejected_row,) = sender.put(records("abcdefghij"))
    assert str(rejected_row) == "line 9: was refused. Personalize refused the input: because of it"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ThrottlingException", "Personalize is throttling requests."),
        ("InternalFailure", "Personalize is failing at the moment."),
        ("ServiceUnavailable", "Personalize is failing at the moment."),
        ("ResourceInUseException", "Personalize is changing the dataset and takes no records meanwhile."),
    ],
)
def test_what_fails_for_now_is_tried_again(events, sender, said, code, sentence):
    script(events, "ab", code)
    script(events, "ab", code)
    script(events, "ab")
    assert sender.put(records("ab")) == []
    assert said == [sentence] * 2


@pytest.mark.parametrize("code", ["ThrottlingException", "ResourceInUseException"])
def test_it_is_not_tried_for_ever(events, sender, time, code):
    for _ in range(20):  # pauses of 0.5, 1, 2, 4, 8, 16 and then 20 seconds
        script(events, "ab", code)
    with pytest.raises(AwsError, match=r"Run the same command again later to go on\."):
        sender.put(records("ab"))
    assert sending.MAX_RETRY_SECONDS - 20 <= time.now <= sending.MAX_RETRY_SECONDS


def test_a_network_that_fails_is_tried_again(sender, events, said):
    failures = [ConnectTimeoutError(endpoint_url="https://x")] * 2

    def fail(**_):
        if failures:
            raise failures.pop()

    events.client.meta.events.register_first("before-call.*.*", fail)
    script(events, "a")
    assert sender.put(records("a")) == []
    assert said == ["Personalize could not be reached."] * 2


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ResourceNotFoundException", "ExpiredTokenException"]
)
def test_what_no_retry_helps_ends_the_run_at_once(events, sender, code):
    script(events, "ab", code, 403)
    with pytest.raises(events.client.exceptions.ClientError, match="because of it"):
        sender.put(records("ab"))


def test_calls_stay_under_the_quota_whatever_they_meet(events, sender, time):
    for name in "abcdefghijklmnopqrst":
        script(events, name * 2, "InvalidInputException")
        script(events, name)
        script(events, name)
    for name in "abcdefghijklmnopqrst":
        sender.put(records(name * 2))
    assert len(time.calls) == 60
    for start in time.calls:
        assert sum(start <= call < start + 1 for call in time.calls) <= 10


@pytest.fixture
def run(personalize, events, monkeypatch, tmp_path, capsys):
    """Run the command for a file; its answer: exit status, what it printed, and its errors."""
    clients = {"personalize": personalize.client, "personalize-events": events.client}
    monkeypatch.setattr(boto3.Session, "client", lambda self, service, **_: clients[service])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def command(content, *options):
        path = tmp_path / "rows.csv"
        path.write_text(content)
        status = cli.main(["put", str(path), *options])
        return SimpleNamespace(status=status, **capsys.readouterr()._asdict())

    return command


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_each_kind_goes_by_its_own_call(run, events, tmp_path, kind):
    schema = tmp_path / "schema.json"
    schema.write_text(AVRO.replace("ITEM_ID", kind.id_column))
    arn = DATASET[kind.dataset_type]
    entry = {kind.id_member: "a", "properties": '{"year":"1897"}'}
    events.add_response(kind.method, {}, {"datasetArn": arn, kind.plural: [entry]})
    done = run(f"{kind.id_column},YEAR\na,1897\n", "--dataset", arn, "--schema", str(schema))
    assert (done.status, done.err.count("Traceback")) == (0, 0)
    assert "Every row was put: 1." in done.out


def test_good_rows_go_bad_ones_are_rejected_and_the_status_says_so(run, personalize, events):
    script_schema(personalize, DATASET["ITEMS"])
    entries = [{"itemId": "a", "properties": '{"year":"1897"}'}, {"itemId": "c"}]
    events.add_response("put_items", {}, {"datasetArn": DATASET["ITEMS"], "items": entries})
    done = run("YEAR,ITEM_ID\n1897,a\nlate,b\n,c\n", "--dataset", DATASET["ITEMS"])
    assert done.status == cli.FAILED
    assert "Rows: 3. Fine: 2.\nline 3: YEAR must be a whole number, such as 12." in done.out
    assert "2 of 3 rows were put; 1 failed the check, 0 were refused." in done.out


@pytest.mark.parametrize(
    ("options", "rows", "status"),
    [
        (["--dry-run"], "a,1\nb,2\n", 0),
        (["--dry-run"], "a,1\nb,late\n", cli.FAILED),
        (["--strict"], "a,1\nb,late\n", cli.FAILED),
    ],
)
def test_nothing_is_put(run, personalize, options, rows, status):
    script_schema(personalize, DATASET["ITEMS"])
    done = run("ITEM_ID,YEAR\n" + rows, "--dataset", DATASET["ITEMS"], *options)
    assert done.status == status
    assert done.out.endswith("Nothing was put.\n")


@pytest.mark.parametrize("header", ["ITEM_ID,AUTHOR", "USER_ID,ITEM_ID", "TITLE"])
def test_columns_are_checked_before_the_first_call(run, personalize, header):
    if header == "ITEM_ID,AUTHOR":
        script_schema(personalize, DATASET["ITEMS"])
    done = run(f"{header}\na,b\n", "--dataset", DATASET["ITEMS"])
    assert done.status == cli.FAILED
    assert "column" in done.err or "it is not clear" in done.err


def script_run(events, *calls, code=None):
    """Script a run: the calls with these rows, and then one that is denied, where ``code`` is given."""
    for rows in calls:
        entries = [{"itemId": f"i{number}", "properties": '{"year":"1"}'} for number in rows]
        events.add_response("put_items", {}, {"datasetArn": DATASET["ITEMS"], "items": entries})
    if code:
        events.add_client_error("put_items", code, "no", 403)


@pytest.mark.slow
def test_a_run_goes_on_where_the_one_before_has_ended(run, personalize, events):
    content = "ITEM_ID,YEAR\n" + "".join(f"i{number},1\n" for number in range(25)) + "bad,bad\n"
    first, second, third = range(10), range(10, 20), range(20, 25)
    runs: list[tuple[Any, ...]] = [
        ([first], "ExpiredTokenException", []),
        ([second], "ExpiredTokenException", []),
        ([first], "ExpiredTokenException", ["--restart"]),
        ([second, third], None, []),
        ([first, second, third], None, []),
    ]
    printed = []
    for calls, code, options in runs:
        script_schema(personalize, DATASET["ITEMS"])
        script_run(events, *calls, code=code)
        done = run(content, "--dataset", DATASET["ITEMS"], *options)
        assert done.status == cli.FAILED
        printed.append(done.out)
    earlier = [re.findall(r"An earlier run came to row (\d+)", each) for each in printed]
    assert earlier == [[], ["10"], [], ["10"], []]
    assert all("25 of 26 rows were put; 1 failed" in each for each in printed[3:])


def test_a_changed_file_begins_anew(run, personalize, events):
    rows = [f"i{number},1\n" for number in range(12)]
    script_schema(personalize, DATASET["ITEMS"])
    script_run(events, range(10), code="ExpiredTokenException")
    assert "sign in again" in run("ITEM_ID,YEAR\n" + "".join(rows), "--dataset", DATASET["ITEMS"]).err
    script_schema(personalize, DATASET["ITEMS"])
    script_run(events, range(5))
    done = run("ITEM_ID,YEAR\n" + "".join(rows[:5]), "--dataset", DATASET["ITEMS"])
    assert (done.status, "Every row was put: 5." in done.out) == (0, True)


def test_where_everything_is_refused_it_is_not_the_rows(events, sender, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "items.csv"
    path.write_text("ITEM_ID\n" + "".join(f"{number}\n" for number in range(200)))
    for _ in range(2 * 19):
        events.add_client_error("put_items", "InvalidInputException", "no", 400)
    file = CsvFile(path)
    upload = Upload(file, ITEMS, schema_of_header(file.header, ITEMS).columns(file.header))
    kept, rejected_rows = PositionFile.of(path), []
    with pytest.raises(InputError, match=r"refused the first 20 rows.* Is .*/ITEMS the right dataset"):
        upload.send(sender, kept, kept.read("x"), lambda position, found: rejected_rows.extend(found))
    assert [rejected_row.line for rejected_row in rejected_rows] == [*range(2, 22)]
    assert kept.read("x").rows == 0, "the next run begins anew"


def test_a_denied_call_says_what_is_denied(run, personalize, events):
    script_schema(personalize, DATASET["ITEMS"])
    events.add_client_error("put_items", "AccessDeniedException", "not authorized", 403)
    done = run("ITEM_ID,YEAR\na,1\n", "--dataset", DATASET["ITEMS"])
    assert done.status == cli.FAILED
    assert "These credentials may not call PutItems: not authorized" in done.err


def test_a_file_that_is_not_there_is_named(run):
    assert cli.main(["put", "nothing.csv"]) == cli.FAILED
