"""Packages the application and deploys it, to AWS or to an emulator of it, by either of two ways.

    python ops/deploy.py stack --stage prod       everything as one CloudFormation stack; for CI
    python ops/deploy.py deploy --stage dev       the three steps below, one after the other
        pipeline    stream, archive, quarantine, alarms; their names go into .chalice/config.json
        functions   'chalice deploy'
        access      API key, usage plan, error responses, alarms on what Chalice made
    python ops/deploy.py destroy --stage dev      whatever of the two is there
    python ops/deploy.py package --stage prod     only build/STAGE/sam.yaml and deployment.zip

The names below are also for other programs to import. AWS_ENDPOINT_URL points it at an emulator. Exit status
0: done, or nothing to do; 1: it did not happen, and a sentence on stderr says why; 130: interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

if __name__ == "__main__":
    # Run as a program, Python looks for modules in resources/; the package is one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import boto3

from ops import stepwise as flow
from ops.cloudformation.stacks import deploy_stack, describe_stack
from ops.command_lines import make_line, shell_line
from ops.destroy import destroy
from ops.errors import AwsError, DeployError, PackagingError, StackError, in_sentences
from ops.packaging import merge
from ops.packaging.bundle import ROOT, Package, package
from ops.parameters import check_region, settle
from ops.stage import Stage
from ops.summary import summary

__all__ = ["AwsError", "DeployError", "Package", "PackagingError", "StackError", "deploy_stack", "package"]

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _COMMANDS[options.command](options)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'} could not be used: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        if options.command != "package":
            print(
                "A change that CloudFormation has begun goes on without this program; run the same command "
                "again to see where it stands.",
                file=sys.stderr,
            )
        return INTERRUPTED
    return 0


def _package(options: argparse.Namespace) -> None:
    made = package(options.stage, region=options.region, report=_say)
    _say(f"{made.template_path}\n{made.zip_path} ({made.zip_path.stat().st_size / 1024:.0f} KiB)")
    if made.reused:
        _say("Nothing has changed since they were made.")


def _stack(options: argparse.Namespace) -> None:
    given = parse_parameters(options.parameter)
    stage, session = Stage(ROOT, options.stage), _sign_in(options)
    if not options.stack_name:
        _check_not_in_steps(stage, session)
    made = package(options.stage, region=session.region_name, report=_say)
    name = options.stack_name or flow.stack_name(options.stage)
    stands = {p["ParameterKey"]: p["ParameterValue"] for p in _parameters_of(name, session)}
    template = merge.load(made.template_path.read_text(encoding="utf-8"))
    values = _settle(template["Parameters"], given, set(stands), stage)
    check_region(values.get("CampaignArn") or stands["CampaignArn"], session.region_name)
    outputs = deploy_stack(
        made,
        name,
        values,
        session,
        _say,
        confirm=_agree if options.yes else _ask,
        tags=flow.tags(options.stage),
    )
    _say(summary(outputs, session.region_name, options.stage))


def _parameters_of(name: str, session: boto3.Session) -> list[dict[str, str]]:
    stack = describe_stack(name, session)
    # One that was never made holds the parameters of the attempt, which are no one's decision.
    standing = stack and stack["StackStatus"] not in {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"}
    return cast("list[dict[str, str]]", stack.get("Parameters", [])) if standing else []


def _deploy(options: argparse.Namespace) -> None:
    given = parse_parameters(options.parameter)
    access = {name: value for name, value in given.items() if name in flow.access_parameters(ROOT)}
    stage, session = Stage(ROOT, options.stage), _sign_in(options)
    first = {name: value for name, value in given.items() if name not in access}
    _check_not_one_stack(stage, session)
    _say("\n1 of 3: the pipeline")
    _deploy_pipeline(options, stage, session, first)
    _say("\n2 of 3: the application")
    flow.deploy_functions(stage, session, options.profile, _say, _agree if options.yes else _ask)
    _say("\n3 of 3: the access to it")
    _deploy_access(options, stage, session, access)


def _check_not_one_stack(stage: Stage, session: boto3.Session) -> None:
    if describe_stack(flow.stack_name(stage.name), session):
        raise StackError(
            f"The stage {stage.name} is deployed already, as the one stack {flow.stack_name(stage.name)}. "
            f"Update it ({make_line('deploy-stack', STAGE=stage.name)}), or remove it first "
            f"({make_line('destroy', STAGE=stage.name)})."
        )


def _check_not_in_steps(stage: Stage, session: boto3.Session) -> None:
    if describe_stack(flow.pipeline_name(stage.name), session):
        raise StackError(
            f"The stage {stage.name} is deployed already, step by step. Update it "
            f"({make_line('deploy', STAGE=stage.name)}), or remove it first "
            f"({make_line('destroy', STAGE=stage.name)})."
        )


def _pipeline(options: argparse.Namespace) -> None:
    _deploy_pipeline(
        options, Stage(ROOT, options.stage), _sign_in(options), parse_parameters(options.parameter)
    )
    _say(f"\nNext: {shell_line('chalice', 'deploy', '--stage', options.stage)}")


def _deploy_pipeline(
    options: argparse.Namespace, stage: Stage, session: boto3.Session, given: Mapping[str, str]
) -> None:
    flow.check_stage(stage)
    stack = {"Parameters": _parameters_of(flow.pipeline_name(stage.name), session)}
    kept = flow.kept_parameters(stage, stack)
    values = _settle(flow.pipeline_parameters(ROOT), given, kept, stage)
    flow.deploy_pipeline(stage, values, session, _say, _agree if options.yes else _ask)


def _functions(options: argparse.Namespace) -> None:
    session = _sign_in(options)
    confirm = _agree if options.yes else _ask
    flow.deploy_functions(Stage(ROOT, options.stage), session, options.profile, _say, confirm)


def _access(options: argparse.Namespace) -> None:
    given = parse_parameters(options.parameter)
    _deploy_access(options, Stage(ROOT, options.stage), _sign_in(options), given)


def _deploy_access(
    options: argparse.Namespace, stage: Stage, session: boto3.Session, given: Mapping[str, str]
) -> None:
    values = _settle(flow.access_parameters(ROOT), given, set(), stage)
    outputs = flow.deploy_access(stage, values, session, _say, _agree if options.yes else _ask)
    _say(summary(outputs, session.region_name, stage.name))


def _destroy(options: argparse.Namespace) -> None:
    session = _sign_in(options)
    destroy(
        Stage(ROOT, options.stage),
        options.stack_name or flow.stack_name(options.stage),
        session,
        _say,
        confirm=_agree if options.yes else _ask,
        profile=options.profile,
        delete_events=options.delete_events,
        bucket=options.bucket,
    )


def _sign_in(options: argparse.Namespace) -> boto3.Session:
    """A session that works, before anything is asked or made; and a line that says where it leads."""
    with in_sentences():
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        caller = cast(Any, session).client("sts").get_caller_identity()
    _say(f"Account {caller['Account']}, region {session.region_name}, stage {options.stage}")
    return session


def _settle(
    definitions: Mapping[str, merge.Document], given: Mapping[str, str], kept: set[str], stage: Stage
) -> dict[str, str]:
    return settle(
        definitions,
        given,
        kept=kept,
        remembered=stage.answers(),
        ask=input if sys.stdin.isatty() else None,
        remember=stage.remember,
        report=_say,
    )


def parse_parameters(given: Sequence[str]) -> dict[str, str]:
    """``["K=V", ...]`` as a mapping. A value may contain '='. StackError for one without it."""
    malformed = [item for item in given if "=" not in item[1:]]
    if malformed:
        raise StackError(f"--parameter takes NAME=VALUE; {malformed[0]!r} has no '='.")
    return dict(item.split("=", 1) for item in given)


def _agree(plan: Sequence[str]) -> bool:
    _say("\n".join(plan))
    return True


def _ask(plan: Sequence[str]) -> bool:
    _agree(plan)
    if not sys.stdin.isatty():
        raise StackError("Nothing was changed: --yes is needed where nobody can be asked.")
    try:
        return input("Carry it out? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _say(line: str) -> None:
    print(line, flush=True)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "package": _package,
    "stack": _stack,
    "deploy": _deploy,
    "pipeline": _pipeline,
    "functions": _functions,
    "access": _access,
    "destroy": _destroy,
}


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--stage", default="dev", help="stage of .chalice/config.json (default: dev)")
    common.add_argument("--region", help="AWS region (default: that of the environment or the profile)")
    acting = argparse.ArgumentParser(add_help=False)
    acting.add_argument("--profile", help="profile of the AWS configuration")
    acting.add_argument("--yes", action="store_true", help="carry the plan out without asking")
    taking = argparse.ArgumentParser(add_help=False)
    taking.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated"
    )
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--stack-name", help="of the one stack; default: personalize-api-STAGE")
    parser = argparse.ArgumentParser(description="Package, deploy and remove personalize-api.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common, *parents], help=text)

    command("package", "write build/STAGE/sam.yaml and deployment.zip")
    command("stack", "package, then create or update one stack", acting, taking, named)
    command("deploy", "pipeline, functions and access, in this order", acting, taking)
    command("pipeline", "step 1: stream, archive, quarantine, alarms", acting, taking)
    command("functions", "step 2: 'chalice deploy'", acting)
    command("access", "step 3: API key, usage plan, error responses, alarms", acting, taking)
    removing = command("destroy", "remove what is deployed of a stage", acting, named)
    removing.add_argument(
        "--delete-events", action="store_true", help="delete the archive bucket too, with every event in it"
    )
    removing.add_argument("--bucket", help="the archive bucket, where no stack names it any more")
    return parser


if __name__ == "__main__":
    sys.exit(main())
