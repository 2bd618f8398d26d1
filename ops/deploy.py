"""The commands that deploy: everything as one stack, or the three steps of the stepwise flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import boto3

from ops import parameters
from ops.access import deploy_access
from ops.archive_bucket import find_takeover
from ops.cloudformation.stacks import deploy_stack
from ops.command_lines import shell_line
from ops.errors import DeclinedError
from ops.failure_reports import switch_precautions
from ops.local_stage import refuse_local
from ops.locate import (
    access_name,
    check_not_one_stack,
    check_not_stepwise,
    find_one_stack,
    find_stepwise,
    one_stack_name,
    pipeline_name,
)
from ops.packaging.bundle import ROOT, package
from ops.packaging.merge import Document
from ops.packaging.templates import ACCESS_PARAMETERS, Templates
from ops.packaging.throttles import check_stage_throttle, effective_values
from ops.protection import protect
from ops.sessions import sign_in
from ops.shards import check_shard_change
from ops.stage import Stage
from ops.stepwise import check_stage, deploy_functions, deploy_pipeline, known_parameters, tags
from ops.summary import summary
from ops.terminal import Terminal, print_line


@dataclass(frozen=True)
class Run:
    """One run of a command that deploys: the stage, the session with AWS, and the terminal."""

    stage: Stage
    session: boto3.Session
    terminal: Terminal

    @classmethod
    def start(cls, stage: str, terminal: Terminal, profile: str | None, region: str | None) -> Run:
        """Sign in. Raises InputError for the stage ``local``, and AwsError."""
        found = Stage(ROOT, stage)
        return cls(found, sign_in(found, terminal, profile=profile, region=region), terminal)

    def resolve(
        self, definitions: Mapping[str, Document], given: Mapping[str, str], kept: set[str]
    ) -> dict[str, str]:
        """Return the values of the parameters; ask for what is missing, where somebody can be asked."""
        return parameters.resolve(
            definitions,
            given,
            kept=kept,
            remembered=self.stage.answers(),
            ask=self.terminal.ask,
            remember=self.stage.remember,
            report=self.terminal.report,
        )


def run_package(stage: str, region: str | None) -> None:
    """Write ``build/STAGE/sam.yaml`` and ``deployment.zip``, and print where they are."""
    refuse_local(stage)
    made = package(stage, region=region, report=print_line)
    print_line(f"{made.template_path}\n{made.zip_path} ({made.zip_path.stat().st_size / 1024:.0f} KiB)")
    if made.reused:
        print_line("Nothing has changed since they were made.")


def run_one_stack(
    stage: str,
    terminal: Terminal,
    given: Sequence[str],
    *,
    stack_name: str | None,
    profile: str | None,
    region: str | None,
) -> None:
    """Package the application, then create or update the one stack."""
    values = parameters.parse(given)
    run = Run.start(stage, terminal, profile, region)
    if not stack_name:
        check_not_stepwise(run.stage, run.session)
    made = package(stage, region=run.session.region_name, report=terminal.report)
    found = find_one_stack(run.stage, run.session, stack_name)
    standing = found.parameters if found else {}
    values = run.resolve(made.template["Parameters"], values, set(standing))
    check_shard_change(found, values, run.session)
    _check_variables(run, made.template, {**standing, **values})
    check_stage_throttle(made.template, {**standing, **values})
    precautions = switch_precautions(found, values, run.session, terminal.report)
    takeover = find_takeover(found, values, run.session, terminal)
    if takeover:
        made, precautions = replace(made, template=takeover.template(made.template)), takeover.precautions()
    outputs = deploy_stack(
        made,
        stack_name or one_stack_name(stage),
        values,
        run.session,
        terminal.report,
        confirm=terminal.confirm,
        precautions=precautions,
        tags=tags(stage),
    )
    protect(stage, stack_name or one_stack_name(stage), run.session, terminal.report)
    terminal.report(summary(outputs, run.session.region_name, stage))


def _check_variables(run: Run, template: Document, values: Mapping[str, str]) -> None:
    effective, of_functions = effective_values(template, values), Templates.read(ROOT).function_parameters()
    # What AWS names later (stream, queue, bucket) is as long as the names in config.json.
    variables = {
        **run.stage.variables(),
        **{variable: effective[parameter] for variable, parameter in of_functions.items()},
    }
    parameters.check_variables(variables, of_functions, run.session.region_name)


def run_all_steps(
    stage: str, terminal: Terminal, given: Sequence[str], *, profile: str | None, region: str | None
) -> None:
    """Deploy pipeline, functions and access, in this order."""
    values = parameters.parse(given)
    run, templates = Run.start(stage, terminal, profile, region), Templates.read(ROOT)
    check_not_one_stack(run.stage, run.session)
    of_access = {name: value for name, value in values.items() if name in ACCESS_PARAMETERS}
    of_pipeline = {name: value for name, value in values.items() if name not in ACCESS_PARAMETERS}
    steps: dict[str, Callable[[], None]] = {
        "the pipeline": lambda: _pipeline(run, templates, of_pipeline),
        "the application": lambda: deploy_functions(run.stage, run.session, profile, templates, terminal),
        "the access to it": lambda: _access(run, templates, of_access),
    }
    taken: list[str] = []
    for number, (name, take) in enumerate(steps.items(), start=1):
        terminal.report(f"\n{number} of {len(steps)}: {name}")
        try:
            take()
        except DeclinedError as error:
            if not taken:
                raise
            raise error.after(f"Deployed before: {', '.join(taken)}. The rest is as it was") from None
        taken.append(name)


def run_pipeline(
    stage: str, terminal: Terminal, given: Sequence[str], *, profile: str | None, region: str | None
) -> None:
    """Take the first step alone."""
    values = parameters.parse(given)
    _pipeline(Run.start(stage, terminal, profile, region), Templates.read(ROOT), values)
    terminal.report(f"\nNext: {shell_line('chalice', 'deploy', '--stage', stage)}")


def run_functions(stage: str, terminal: Terminal, *, profile: str | None, region: str | None) -> None:
    """Take the second step alone."""
    run = Run.start(stage, terminal, profile, region)
    deploy_functions(run.stage, run.session, profile, Templates.read(ROOT), terminal)


def run_access(
    stage: str, terminal: Terminal, given: Sequence[str], *, profile: str | None, region: str | None
) -> None:
    """Take the third step alone."""
    values = parameters.parse(given)
    _access(Run.start(stage, terminal, profile, region), Templates.read(ROOT), values)


def _pipeline(run: Run, templates: Templates, given: Mapping[str, str]) -> None:
    check_stage(run.stage)
    found = find_stepwise(run.stage, run.session)
    kept = known_parameters(run.stage, found.parameters if found else {}, templates)
    values = run.resolve(templates.pipeline_parameters(), given, kept)
    check_shard_change(found, values, run.session)
    deploy_pipeline(run.stage, values, run.session, templates, run.terminal, deployment=found)
    protect(run.stage.name, pipeline_name(run.stage.name), run.session, run.terminal.report)


def _access(run: Run, templates: Templates, given: Mapping[str, str]) -> None:
    values = run.resolve(templates.access_parameters(), given, set())
    outputs = deploy_access(run.stage, values, run.session, templates, run.terminal)
    protect(run.stage.name, access_name(run.stage.name), run.session, run.terminal.report)
    run.terminal.report(summary(outputs, run.session.region_name, run.stage.name))
