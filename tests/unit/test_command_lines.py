"""Command lines that are printed mean to the shell what they show."""

import json
import os
import shlex
import subprocess

from hypothesis import given
from hypothesis import strategies as st

from local.coordinates import Stack
from local.welcome import welcome
from ops.command_lines import make_line, shell_line
from ops.summary import summary

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NASTY = [
    "it's",
    '"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned #",
    "a\nb",
    "\x1b[2J",
]

STACK = Stack(
    apiUrl="http://127.0.0.1:4566/_aws/execute-api/abc/api",
    apiKey="k3y",
    consoleUrl="http://127.0.0.1:4568",
    awsEndpointUrl="http://127.0.0.1:4566",
    personalizeUrl="http://127.0.0.1:4567",
    bucket="bucket",
    streamName="stream",
    quarantineQueueUrl="http://127.0.0.1:4566/000000000000/queue",
    campaignArn="arn:aws:personalize:us-east-1:000000000000:campaign/local",
    trackingId="tracker",
)


def curl_arguments(text, folder):
    """What a shell hands to curl for each line of ``text`` that calls it."""
    lines = [line for line in text.replace("\\\n", "").splitlines() if "curl " in line]
    shell = "curl() { for word in \"$@\"; do printf '%s\\0' \"$word\"; done; printf '\\0'; }; sleep() { :; };"
    printed = subprocess.run(
        ["sh", "-c", shell + "\n".join(lines)], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    assert [*folder.iterdir()] == [], "the shell ran something else"
    return [call.split("\0") for call in printed.split("\0\0") if call]


def test_the_lines_of_make_run_send_the_items_of_the_data_as_they_are(tmp_path):
    filtered = {"filter": "of-a-genre", "filterValues": {"GENRE": NASTY}}
    asked, told, again, last = curl_arguments(welcome(STACK, NASTY, filtered), tmp_path)
    assert json.loads(last[-1]) == {"userId": "ann", "numResults": 5, **filtered}
    assert json.loads(asked[-1]) == json.loads(again[-1]) == {"userId": "ann", "numResults": 5}
    assert [event["Event"]["itemId"] for event in json.loads(told[-1])["Events"]] == NASTY
    assert "x-api-key: k3y" in told


def test_what_is_printed_of_the_data_controls_no_terminal():
    assert "\x1b" not in welcome(STACK, NASTY)


def test_the_line_after_a_deployment_calls_the_url_as_it_is(tmp_path):
    url = "https://abc.execute-api.us-east-1.amazonaws.com/it's/recommendations"
    outputs = {
        "RecommendationsUrl": url,
        "HistoryUrl": "h",
        "EventsBucket": "b",
        "DashboardUrl": "d",
        "ApiKeyConsoleUrl": "c",
        "ApiKeyId": "'; touch pwned; '",
    }
    line = summary(outputs, "us-east-1", "dev").split("Try it:")[1]
    (call,) = curl_arguments(f'aws() {{ echo "key of $*"; }}; {line.strip()}', tmp_path)
    assert url in call
    assert (
        "x-api-key: key of apigateway get-api-key --include-value --query value --output text --region "
        in (" ".join(call))
    )


@given(st.lists(TEXTS, min_size=1))
def test_a_line_is_taken_apart_into_the_words_it_was_made_of(words):
    assert shlex.split(shell_line(*words)) == words


@given(st.lists(TEXTS.filter(lambda text: "\n" not in text and "\r" not in text), min_size=1, max_size=3))
def test_the_arguments_of_a_make_line_reach_the_program(arguments):
    line = make_line("destroy", *arguments, STAGE="dev")
    make, target, stage, args = shlex.split(line)
    assert (make, target, stage) == ("make", "destroy", "STAGE=dev")
    # make expands $$ to $, and the shell then takes the rest apart.
    assert shlex.split(args.removeprefix("ARGS=").replace("$$", "$")) == arguments


def test_a_make_line_works_with_make_itself(tmp_path):
    makefile = tmp_path / "Makefile"
    makefile.write_text("destroy:\n\t@printf '%s\\n' $(STAGE) $(ARGS)\n")
    line = make_line("destroy", "--bucket", "it's $HOME", STAGE="dev")
    command = line.replace("make", f"make -f {shlex.quote(str(makefile))}", 1)
    # `make test` tells its own settings to every make below it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    printed = subprocess.run(
        ["sh", "-c", command], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert printed.splitlines() == ["dev", "--bucket", "it's $HOME"]
