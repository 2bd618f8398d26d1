"""The file ``stack.json``, and the sample items of the welcome text."""

import dataclasses
import json
import stat

from local import catalogue
from local.coordinates import to_stack, written
from local.welcome import sample_filter, sample_items

OUTPUTS = {
    "RestAPIId": "abc",
    "RecommendationsUrl": "https://abc.execute-api.us-east-1.amazonaws.com/api/recommendations",
    "EventsBucket": "bucket",
    "EventStreamName": "stream",
    "QuarantineQueueUrl": "http://127.0.0.1:1111/000000000000/queue",
}
STACK = to_stack(
    OUTPUTS,
    api_key="k3y",
    aws_url="http://127.0.0.1:4566",
    engine_url="http://127.0.0.1:4567",
    console_url="http://127.0.0.1:4568",
)


def test_the_addresses_are_those_of_this_run():
    assert STACK.apiUrl == "http://127.0.0.1:4566/_aws/execute-api/abc/api"
    assert STACK.quarantineQueueUrl == "http://127.0.0.1:4566/000000000000/queue"
    assert STACK.consoleUrl == "http://127.0.0.1:4568"


def test_the_file_exists_for_its_owner_only_while_the_stack_is_ready(tmp_path):
    file = tmp_path / "folder" / "stack.json"
    file.parent.mkdir()
    file.touch(mode=0o644)
    with written(STACK, file):
        assert json.loads(file.read_text()) == dataclasses.asdict(STACK)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not file.exists()


def test_the_sample_items_are_of_the_catalogue():
    items = sample_items(catalogue.FOLDER)
    assert len(items) == 3
    text = (catalogue.FOLDER / "items.csv").read_text(encoding="utf-8")
    assert all(f"\n{item}," in text for item in items)


def test_the_sample_items_of_other_data_are_different_items_of_one_user(tmp_path):
    rows = ["u,a", "v,x", "u,a", "u,b", "v,y", "u,c", "u,d"]
    (tmp_path / "interactions.csv").write_text("USER_ID,ITEM_ID\n" + "\n".join(rows))
    assert sample_items(tmp_path) == ["a", "b", "c"]


def test_with_fewer_interactions_the_sample_items_are_those_of_the_user_with_most(tmp_path):
    (tmp_path / "interactions.csv").write_text("USER_ID,ITEM_ID\nu,a\nv,x\nv,y\n")
    assert sample_items(tmp_path) == ["x", "y"]


def test_a_filter_of_other_data_is_shown_when_it_needs_no_value(tmp_path):
    assert sample_filter(tmp_path) is None
    expressions = (
        'INCLUDE ActionID WHERE Actions.KIND IN ("a")',
        "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
        "EXCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE",
        'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")',
    )
    filters = [
        {"name": f"filter-{number}", "filterExpression": each} for number, each in enumerate(expressions)
    ]
    (tmp_path / "filters.json").write_text(json.dumps(filters))
    assert sample_filter(tmp_path) == {"filter": "filter-3"}
