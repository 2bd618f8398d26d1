"""Where the values of the parameters come from: the command line, the stack, an earlier answer, a question.

Pure but for ``ask``, which is given. The formats are those that the templates declare, so an answer is
checked at once with the words that CloudFormation would use later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ops.cloudformation.changes import check_value
from ops.errors import StackError
from ops.packaging.merge import Document

ASKED = ("CampaignArn", "EventTrackerId", "EventsBucketName", "NotificationEmail")
"""What only the owner of the account can know, in the order of asking. Everything else has a default."""

Ask = Callable[[str], str]


def settle(
    definitions: Mapping[str, Document],
    given: Mapping[str, str],
    *,
    kept: Collection[str],
    remembered: Mapping[str, str],
    ask: Ask | None,
    remember: Callable[[Mapping[str, str]], None],
    report: Callable[[str], None],
) -> dict[str, str]:
    """The values to deploy with; those in ``kept`` are left out, unless given, because they stand already.

    ``ask`` is None where nobody can be asked; ``remember`` gets each answer at once, so that an interruption
    loses none. What comes from the command line is not remembered: the stack keeps it. StackError names every
    option that is missing, or what is wrong with a value.
    """
    unknown = sorted(set(given) - set(definitions))
    if unknown:
        raise StackError(
            f"There is no parameter {', '.join(unknown)}. There are: {', '.join(sorted(definitions))}."
        )
    for name, value in given.items():
        check_value(name, value, definitions[name])
    values = dict(given)
    for name in _open_questions(definitions, values, kept):
        if name in remembered and _fits(name, remembered[name], definitions[name]):
            values[name] = remembered[name]
            report(f"{name}: {values[name] or 'none'} (as answered before)")
        elif ask is not None:
            values[name] = _answer(name, definitions[name], ask, report)
            remember({name: values[name]})
    missing = [
        f"--parameter {name}=... ({definitions[name].get('Description', 'required')})"
        for name in _open_questions(definitions, values, kept)
        if "Default" not in definitions[name]
    ]
    if missing:
        raise StackError("A value is missing. Give " + " and ".join(missing))
    return values


def _open_questions(
    definitions: Mapping[str, Document], values: Collection[str], kept: Collection[str]
) -> list[str]:
    return [name for name in ASKED if name in definitions and name not in values and name not in kept]


def _answer(name: str, definition: Document, ask: Ask, report: Callable[[str], None]) -> str:
    """Ask until the answer has the form it needs."""
    report(f"\n{definition.get('Description', name)}")
    while True:
        try:
            answer = ask(f"{name}{' [none]' if 'Default' in definition else ''}: ").strip()
        except EOFError as error:
            raise StackError("Nothing was changed: the question was not answered.") from error
        try:
            check_value(name, answer, definition)
        except StackError as error:
            report(str(error))
        else:
            return answer


def _fits(name: str, value: str, definition: Document) -> bool:
    try:
        check_value(name, value, definition)
    except StackError:
        return False
    return True


def check_region(campaign_arn: str, region: str) -> None:
    """StackError when the campaign is elsewhere: the functions ask Personalize in the region they run in."""
    campaign_region = campaign_arn.split(":")[3]
    if campaign_region != region:
        raise StackError(
            f"The campaign is in {campaign_region}, and this would deploy to {region}. They have to be the "
            f"same: add --region {campaign_region}, or name a campaign of {region}."
        )
