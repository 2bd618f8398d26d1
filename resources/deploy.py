"""Packages the application and deploys it as one CloudFormation stack, to AWS or to an emulator of it.

    python resources/deploy.py package --stage prod
    python resources/deploy.py stack --stage prod --parameter CampaignArn=... --parameter EventTrackerId=...

The names below are also for other programs to import. AWS_ENDPOINT_URL points it at an emulator. Exit status
0: done, or nothing to do; 1: it did not happen, and a sentence on stderr says why; 130: interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    # Run as a program, Python looks for modules in resources/; the package is one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import boto3

from resources.bundle import Package, package
from resources.errors import AwsError, DeployError, PackagingError, StackError, in_sentences
from resources.stack import deploy_stack

__all__ = ["AwsError", "DeployError", "Package", "PackagingError", "StackError", "deploy_stack", "package"]

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "package":
            _package(options)
        else:
            _stack(options)
    except DeployError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'} could not be used: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        if options.command == "stack":
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
    with in_sentences():
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
    made = package(options.stage, region=session.region_name, report=_say)
    outputs = deploy_stack(
        made,
        options.stack_name or f"personalize-api-{options.stage}",
        given,
        session,
        _say,
        confirm=_agree if options.yes else _ask,
        tags={"project": "personalize-api", "stage": options.stage},
    )
    _say("\nOutputs:")
    for name, value in sorted(outputs.items()):
        _say(f"  {name:<20} {value}")


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
    return input("Carry it out? [y/N] ").strip().lower() in {"y", "yes"}


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--stage", default="dev", help="stage of .chalice/config.json (default: dev)")
    common.add_argument("--region", help="AWS region (default: that of the environment or the profile)")
    parser = argparse.ArgumentParser(description="Package and deploy personalize-api.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("package", parents=[common], help="write build/STAGE/sam.yaml and deployment.zip")
    stack = commands.add_parser("stack", parents=[common], help="package, then create or update one stack")
    stack.add_argument("--stack-name", help="default: personalize-api-STAGE")
    stack.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="may be repeated"
    )
    stack.add_argument("--profile", help="profile of the AWS configuration")
    stack.add_argument("--yes", action="store_true", help="carry the plan out without asking")
    return parser


if __name__ == "__main__":
    sys.exit(main())
