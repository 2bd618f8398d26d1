"""``python -m ops COMMAND``: one group of commands, one rule for errors and exit codes.

    0     done, or there was nothing to do
    1     it did not happen (one sentence on stderr says why), redrive or put left something to do, doctor
          found what cannot work, verify did not prove that everything works, or forget has left something
    2     wrong usage
    130   interrupted

``AWS_ENDPOINT_URL`` points every command at an emulator. ``--stage local`` points doctor, verify, redrive,
put, query, trace, export, replay and forget at what ``make run`` started. A command imports what it runs:
boto3 and Chalice are not loaded for ``--help``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ops.target import Target

FAILED = 1
INTERRUPTED = 130
_GOES_ON = (
    "A change that CloudFormation has begun goes on without this program; run the same command again to see "
    "where it stands."
)

F = TypeVar("F", bound=Callable[..., Any])


class _Assignment(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE`` as a pair."""

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, separator, text = str(value).partition("=")
        if not (name and separator):
            self.fail(f"write NAME=VALUE, not {value!r}", param, ctx)
        return name, text


class Command(click.Command):
    """A command that ends by the rule above. ``if_interrupted`` says what became of its work."""

    def __init__(self, *arguments: Any, if_interrupted: str = _GOES_ON, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.if_interrupted = if_interrupted

    def invoke(self, ctx: click.Context) -> int:
        """Run the command and return its exit code. A command returns False when something is left to do."""
        from ops.errors import OpsError
        from ops.terminal import printable

        try:
            return FAILED if super().invoke(ctx) is False else 0
        except OpsError as error:
            click.echo(printable(str(error)), err=True)
            return FAILED
        except OSError as error:
            what = (
                f"{error.filename} could not be used" if error.filename else "The system refused an operation"
            )
            click.echo(printable(f"{what}: {error.strerror or type(error).__name__}"), err=True)
            return FAILED
        except KeyboardInterrupt:
            click.echo(f"\nInterrupted. {self.if_interrupted}", err=True)
            return INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        return int(commands.main(arguments, prog_name="python -m ops", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return INTERRUPTED


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Package, deploy, examine, repair and remove personalize-api."""


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def _interrupt_on_signals() -> None:
    """Let the end of the terminal and of the machine clean up as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _folder(text: str) -> Path:
    """Return the folder that an option names. An empty text would be the current one."""
    if not text:
        raise click.BadParameter("name a folder")
    return Path(text)


_stage = click.option("--stage", default="dev", show_default=True, help="Stage of .chalice/config.json.")
_region = click.option("--region", help="AWS region (default: that of the environment or the profile).")
_profile = click.option("--profile", help="Profile of the AWS configuration.")
_yes = click.option("--yes", is_flag=True, help="Carry the plan out without asking.")
_stack_name = click.option("--stack-name", help="Name of the one stack (default: personalize-api-STAGE).")
_given = click.option(
    "--parameter", "given", multiple=True, metavar="NAME=VALUE", help="Parameter of a stack; may be repeated."
)
_days = _options(
    click.option(
        "--from",
        "first",
        metavar="DAY",
        help="First day of the archive, in UTC (default: 6 days before --to).",
    ),
    click.option("--to", "last", metavar="DAY", help="Last day (default: today)."),
)
_reading = _options(_stage, _region, _profile)
_changing = _options(_reading, _yes)


def _reaching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which deployment is meant, and give the function one ``target`` for them."""

    @wraps(function)
    def command(
        *, stage: str, region: str | None, profile: str | None, stack_name: str | None, **others: Any
    ) -> Any:
        from ops.target import Target

        return function(target=Target(stage, stack_name, profile, region), **others)

    return _options(_reading, _stack_name)(command)


@commands.command(cls=Command, if_interrupted="Nothing was deployed.")
@_options(_stage, _region)
def package(*, stage: str, region: str | None) -> None:
    """Write build/STAGE/sam.yaml and deployment.zip."""
    from ops.deploy import run_package

    run_package(stage, region)


@commands.command(cls=Command)
@_options(_changing, _given)
def deploy(*, stage: str, region: str | None, profile: str | None, yes: bool, given: tuple[str, ...]) -> None:
    """Deploy pipeline, functions and access, in this order."""
    from ops.deploy import run_all_steps
    from ops.terminal import open_terminal

    run_all_steps(stage, open_terminal(agreed=yes), given, profile=profile, region=region)


@commands.command(cls=Command)
@_options(_changing, _given)
def pipeline(
    *, stage: str, region: str | None, profile: str | None, yes: bool, given: tuple[str, ...]
) -> None:
    """Step 1: stream, archive, quarantine, alarms."""
    from ops.deploy import run_pipeline
    from ops.terminal import open_terminal

    run_pipeline(stage, open_terminal(agreed=yes), given, profile=profile, region=region)


@commands.command(cls=Command)
@_changing
def functions(*, stage: str, region: str | None, profile: str | None, yes: bool) -> None:
    """Step 2: 'chalice deploy'."""
    from ops.deploy import run_functions
    from ops.terminal import open_terminal

    run_functions(stage, open_terminal(agreed=yes), profile=profile, region=region)


@commands.command(cls=Command)
@_options(_changing, _given)
def access(*, stage: str, region: str | None, profile: str | None, yes: bool, given: tuple[str, ...]) -> None:
    """Step 3: API key, usage plan, error responses, alarms."""
    from ops.deploy import run_access
    from ops.terminal import open_terminal

    run_access(stage, open_terminal(agreed=yes), given, profile=profile, region=region)


@commands.command("deploy-stack", cls=Command)
@_options(_changing, _given, _stack_name)
def deploy_stack(
    *,
    stage: str,
    region: str | None,
    profile: str | None,
    yes: bool,
    given: tuple[str, ...],
    stack_name: str | None,
) -> None:
    """Package, then create or update everything as one stack."""
    from ops.deploy import run_one_stack
    from ops.terminal import open_terminal

    terminal = open_terminal(agreed=yes)
    run_one_stack(stage, terminal, given, stack_name=stack_name, profile=profile, region=region)


@commands.command(cls=Command)
@_options(_changing, _stack_name)
@click.option("--delete-events", is_flag=True, help="Delete the archive bucket too, with every event in it.")
@click.option("--bucket", help="The archive bucket, where no stack names it any more.")
def destroy(
    *,
    stage: str,
    region: str | None,
    profile: str | None,
    yes: bool,
    stack_name: str | None,
    delete_events: bool,
    bucket: str | None,
) -> None:
    """Remove what is deployed of a stage, whichever way it was deployed."""
    from ops.destroy import run_destroy
    from ops.terminal import open_terminal

    run_destroy(
        stage,
        open_terminal(agreed=yes),
        stack_name=stack_name,
        delete_events=delete_events,
        bucket=bucket,
        profile=profile,
        region=region,
    )


@commands.command("rotate-key", cls=Command)
@_options(_changing, _stack_name)
@click.option("--key", metavar="ID", help="The key to make another one beside (default: that of the stack).")
@click.option("--retire", metavar="ID", help="Disable this key, and make none.")
def rotate_key(
    *,
    stage: str,
    region: str | None,
    profile: str | None,
    yes: bool,
    stack_name: str | None,
    key: str | None,
    retire: str | None,
) -> None:
    """Make a second API key, or disable the old one with --retire."""
    from ops.api_keys import run_rotate_key
    from ops.terminal import open_terminal

    run_rotate_key(
        stage,
        open_terminal(agreed=yes),
        key=key,
        retire=retire,
        stack_name=stack_name,
        profile=profile,
        region=region,
    )


@commands.command(cls=Command, if_interrupted="Nothing was changed.")
@_reaching
@click.option("--strict", is_flag=True, help="Exit with 1 for a line with ?? too, not only for one with !!.")
def doctor(*, target: Target, strict: bool) -> bool:
    """Examine a deployment and say what to do; change nothing."""
    from ops.doctor import run_doctor

    return run_doctor(target, is_strict=strict)


@commands.command(
    cls=Command, if_interrupted="The report says what is left in the account. The next run removes it."
)
@_reaching
@_yes
@click.option(
    "--intrusive", is_flag=True, help="Also stop delivery until the alarm rings, and start it again."
)
@click.option("--strict", is_flag=True, help="Exit with 1 for a line with ?? too, not only for one with !!.")
@click.option("--event-type", default="view", show_default=True, help="Type of the test user's events.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The report in Markdown (default: build/verify-STAGE.md).",
)
def verify(
    *,
    target: Target,
    yes: bool,
    intrusive: bool,
    strict: bool,
    event_type: str,
    report: Path | None,
) -> bool:
    """Play the whole path with a test user: the proof that a deployment works."""
    _interrupt_on_signals()
    from ops.local_stage import STAGE as LOCAL
    from ops.terminal import open_terminal
    from ops.verify.command import Options, run_verify

    return run_verify(
        target,
        Options(intrusive, strict, event_type, report),
        open_terminal(agreed=yes or target.stage_name == LOCAL),
    )


@commands.command(cls=Command, if_interrupted="Nothing is lost; run it again to go on.")
@_reaching
@click.option("--given-up", is_flag=True, help="Take the batches that Lambda gave up, not the quarantine.")
@click.option("--dry-run", is_flag=True, help="Count the reasons; put and delete nothing.")
@click.option(
    "--repair",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Python file with a function repair(record, reason, error).",
)
def redrive(*, target: Target, given_up: bool, dry_run: bool, repair: Path | None) -> bool:
    """Put quarantined records, or those of given-up batches, back into the stream."""
    _interrupt_on_signals()
    from ops.redrive import run_redrive

    return run_redrive(target, given_up=given_up, dry_run=dry_run, repair_file=repair)


@commands.command(cls=Command, if_interrupted="Run the same command again to go on where it stopped.")
@_reaching
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dataset", metavar="ARN", help="The dataset (default: that of the stage's campaign).")
@click.option(
    "--schema",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Avro schema to check the rows against (default: that of the dataset; with STAGE=local none).",
)
@click.option("--dry-run", is_flag=True, help="Check every row and put none.")
@click.option("--strict", is_flag=True, help="Put nothing unless every row passes the check.")
@click.option("--restart", is_flag=True, help="Begin at the first row, also after an interruption.")
def put(
    *,
    target: Target,
    file: Path,
    dataset: str | None,
    schema: Path | None,
    dry_run: bool,
    strict: bool,
    restart: bool,
) -> bool:
    """Put the rows of a CSV file of items, users or actions into Personalize."""
    _interrupt_on_signals()
    from ops.put.command import Options, run_put

    options = Options(dataset, schema, dry_run=dry_run, strict=strict, restart=restart)
    return run_put(file, target, options)


@commands.command(cls=Command, if_interrupted="The query was stopped.")
@_reaching
@click.argument("name", required=False)
@_days
@click.option(
    "--set", "values", type=_Assignment(), multiple=True, help="Parameter of the query; may be repeated."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
)
def query(
    *,
    target: Target,
    name: str | None,
    first: str | None,
    last: str | None,
    values: tuple[tuple[str, str], ...],
    output_format: str,
) -> None:
    """Ask the archive of a stage. Without NAME, list the queries."""
    _interrupt_on_signals()
    from ops.archive.query_command import list_queries, run_query

    if not name:
        list_queries()
        return
    run_query(
        name,
        target,
        first,
        last,
        dict(values),
        output_format=output_format,
    )


@commands.command(cls=Command, if_interrupted="Nothing was changed.")
@_reaching
@click.argument("event", metavar="EVENT")
@_days
def trace(
    *,
    target: Target,
    event: str,
    first: str | None,
    last: str | None,
) -> bool:
    """Say what became of the event with the EventId EVENT; change nothing."""
    _interrupt_on_signals()
    from ops.trace.command import run_trace

    return run_trace(event, target, first, last)


@commands.command(
    cls=Command,
    if_interrupted="A file that was there before is there still. An import job that has begun goes on.",
)
@_reaching
@_yes
@click.option("--out", type=_folder, required=True, help="Folder for the files.")
@_days
@click.option(
    "--properties", default="", metavar="NAME[:TYPE],...", help="Properties of events that become columns."
)
@click.option(
    "--import",
    "import_to",
    nargs=2,
    metavar="DATASET_ARN ROLE_ARN",
    help="Import the file, and wait for the end.",
)
@click.option("--replace", is_flag=True, help="Replace an interactions.csv that is there.")
def export(
    *,
    target: Target,
    yes: bool,
    out: Path,
    first: str | None,
    last: str | None,
    properties: str,
    import_to: tuple[str, str] | None,
    replace: bool,
) -> None:
    """Write Personalize's import file from the archive, and import it when asked."""
    _interrupt_on_signals()
    from ops.archive.export_command import Options, run_export
    from ops.terminal import open_terminal

    run_export(
        target,
        Options(out, first, last, properties, import_to, replace),
        open_terminal(agreed=yes),
    )


@commands.command(cls=Command, if_interrupted="Run the same command again to go on where it stopped.")
@_reaching
@_yes
@click.argument("tracker", metavar="TRACKER")
@_days
@click.option(
    "--rate", type=int, default=500, show_default=True, help="Calls a second, at most (quota: 1000)."
)
@click.option("--dry-run", is_flag=True, help="Count events and calls; send nothing.")
@click.option("--restart", is_flag=True, help="Begin at the first line, also after an interruption.")
def replay(
    *,
    target: Target,
    yes: bool,
    tracker: str,
    first: str | None,
    last: str | None,
    rate: int,
    dry_run: bool,
    restart: bool,
) -> bool:
    """Send the archived events to the event tracker with the tracking id TRACKER."""
    _interrupt_on_signals()
    from ops.replay.command import Options, run_replay
    from ops.terminal import open_terminal

    return run_replay(
        target,
        Options(tracker, first, last, rate, dry_run, restart),
        open_terminal(agreed=yes),
    )


@commands.command(
    cls=Command, if_interrupted="Nothing of anybody else is lost. Run the same command again to go on."
)
@_reaching
@_yes
@click.argument("user", metavar="USER")
@click.option(
    "--dataset-group",
    "jobs",
    nargs=2,
    multiple=True,
    metavar="GROUP_ARN ROLE_ARN",
    help="Start a data deletion job of Personalize, which reads the user id with the role; may be repeated.",
)
def forget(
    *,
    target: Target,
    yes: bool,
    user: str,
    jobs: tuple[tuple[str, str], ...],
) -> bool:
    """Remove the person with the user id USER from archive, quarantine and Personalize."""
    _interrupt_on_signals()
    from ops.forget.command import run_forget
    from ops.forget.personalize import Job
    from ops.terminal import open_terminal

    return run_forget(
        user,
        target,
        [Job(*each) for each in jobs],
        open_terminal(agreed=yes),
    )


@commands.command(
    cls=Command,
    if_interrupted="Nothing was changed.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def capacity(arguments: tuple[str, ...]) -> None:
    """Shards, calls and price of a number of events a second, on paper."""
    from ops.capacity import capacity as calculator

    calculator.main(arguments)


@commands.command("experiment-size", cls=Command, if_interrupted="Nothing was changed.")
@click.option("--baseline", type=float, required=True, help="Share of users that do the thing today: 0.04.")
@click.option("--effect", type=float, required=True, help="Smallest rise to detect, relative: 0.1 for 10 %.")
@click.option("--users-per-day", type=float, required=True, help="New users a day, of both variants.")
@click.option("--share", default=0.5, show_default=True, help="Share of the smaller variant.")
@click.option("--significance", default=0.05, show_default=True, help="Chance to see what is not there.")
@click.option("--power", default=0.8, show_default=True, help="Chance to see the effect if it is there.")
@click.option("--comparisons", default=1, show_default=True, help="Comparisons that the experiment makes.")
def experiment_size(
    *,
    baseline: float,
    effect: float,
    users_per_day: float,
    share: float,
    significance: float,
    power: float,
    comparisons: int,
) -> None:
    """Users and days that an experiment needs, on paper."""
    from ops.experiment_size import Comparison, report

    click.echo(report(Comparison(baseline, effect, users_per_day, share, significance, power, comparisons)))
