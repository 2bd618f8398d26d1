"""Settings of the functions, read once from the environment. docs/configuration.md lists them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from chalicelib.cors import AllowedOrigins, parse_headers, parse_origins
from chalicelib.errors import ConfigError
from chalicelib.selection.campaigns import name_of

if TYPE_CHECKING:
    from chalicelib.selection.experiments import Experiment


@dataclass(frozen=True)
class Setting:
    """A variable of the environment. ``default`` is None where a value is required.

    ``parse`` turns the text into the value. It raises ValueError with what the variable takes, or ConfigError
    with a whole sentence.
    """

    name: str
    default: str | None
    help: str
    parse: Callable[[str], Any]


def _text(text: str) -> str:
    return text


def _text_or_none(text: str) -> str | None:
    return text or None


def _one_of(**values: Any) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if text not in values:
            raise ValueError(" or ".join(values))
        return values[text]

    return parse


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # Longer ones are out of any range here, and Python refuses the longest with advice of its own.
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return parse


def _campaign_or_none(text: str) -> str | None:
    found = _ARN.fullmatch(text)
    # A recommender ranks nothing and knows no actions.
    if text and not (found and found[1] == "campaign"):
        raise ValueError("the ARN of a campaign")
    return text or None


def _any_campaign_or_none(text: str) -> str | None:
    if text and not _ARN.fullmatch(text):
        raise ValueError("the ARN of a campaign or a recommender")
    return text or None


def _campaigns(text: str) -> tuple[str, ...]:
    arns = tuple(each.strip() for each in text.split(",")) if text else ()
    if not all(_ARN.fullmatch(arn) for arn in arns):
        raise ValueError("ARNs of campaigns and recommenders, with commas between them")
    return arns


def _items(text: str) -> tuple[str, ...]:
    items = tuple(each.strip() for each in text.split(",")) if text else ()
    if len(text.encode()) > MAX_FALLBACK_BYTES:
        raise ValueError(f"at most {MAX_FALLBACK_BYTES} bytes")
    if not all(1 <= len(item) <= 256 for item in items) or len({*items}) < len(items):
        raise ValueError("different item ids of 1 to 256 characters, with commas between them")
    return items


def _experiment_or_none(text: str) -> Experiment | None:
    if not text:
        return None
    from chalicelib.selection import experiments  # noqa: PLC0415 - most deployments have none

    return experiments.parse(text)


MAX_FALLBACK_BYTES = 2048
"""Half of what all variables of a function may take together."""
_ARN = re.compile(r"arn:[a-z0-9-]+:personalize:[a-z0-9-]+:[0-9]+:(campaign|recommender)/[A-Za-z0-9_-]+")
_boolean = _one_of(true=True, false=False)
_level = _one_of(DEBUG="DEBUG", INFO="INFO", WARNING="WARNING", ERROR="ERROR")


def _setting(name: str, default: str | None, help: str, parse: Callable[[str], Any]) -> Any:
    return field(metadata={"setting": Setting(name, default, help, parse)})


@dataclass(frozen=True)
class Config:
    """One field per setting, and one line for all there is to say about it."""

    campaign_arn: str = _setting(
        "CAMPAIGN_ARN",
        None,
        "ARN of the Personalize campaign (or recommender) that answers /recommendations.",
        _text,
    )
    tracking_id: str = _setting(
        "TRACKING_ID", None, "Id of the Personalize event tracker that events are put to.", _text
    )
    event_stream_name: str = _setting(
        "EVENT_STREAM_NAME", None, "Name of the Kinesis data stream that holds accepted events.", _text
    )
    quarantine_queue_url: str = _setting(
        "QUARANTINE_QUEUE_URL", None, "URL of the SQS queue for records that can never be delivered.", _text
    )
    events_bucket_name: str | None = _setting(
        "EVENTS_BUCKET_NAME",
        "",
        "Archive bucket; keeps records too large for the queue. Without it they are retried.",
        _text_or_none,
    )
    report_batch_item_failures: bool = _setting(
        "REPORT_BATCH_ITEM_FAILURES",
        "false",
        "'true' only where the event source mapping has ReportBatchItemFailures.",
        _boolean,
    )
    allowed_origins: AllowedOrigins = _setting(  # noqa: RUF009 - it is a field, and its type is frozen
        "ALLOWED_ORIGIN",
        "*",
        "Origins that browsers may call from, with commas between them; '*' (the default) for any.",
        parse_origins,
    )
    allowed_headers: tuple[str, ...] = _setting(
        "ALLOWED_HEADERS",
        "",
        "Request headers that browsers may send besides our own, with commas between them; '*' for any.",
        parse_headers,
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        "INFO",
        "What libraries log: DEBUG, INFO (the default), WARNING or ERROR. Our own lines always show.",
        _level,
    )
    service_name: str = _setting(
        "SERVICE_NAME",
        "personalize-api",
        "Name that metrics and log lines are filed under; one per deployment of an account.",
        _text,
    )

    other_campaign_arns: tuple[str, ...] = _setting(
        "OTHER_CAMPAIGN_ARNS",
        "",
        "ARNs of more campaigns that a request may name, with commas between them.",
        _campaigns,
    )
    ranking_campaign_arn: str | None = _setting(
        "RANKING_CAMPAIGN_ARN", "", "ARN of the campaign that answers /ranking.", _campaign_or_none
    )
    action_campaign_arn: str | None = _setting(
        "ACTION_CAMPAIGN_ARN",
        "",
        "ARN of the campaign that answers /action-recommendations.",
        _campaign_or_none,
    )
    max_events_per_request: int = _setting(
        "MAX_EVENTS_PER_REQUEST",
        "500",
        "Events that one request may carry, 1 to 500 (the default). 25 where the key is public.",
        _whole_number(1, 500),
    )
    max_requests_per_page: int = _setting(
        "MAX_REQUESTS_PER_PAGE",
        "10",
        "Requests that one page may carry, 1 to 10 (the default). Each is a call that Personalize bills.",
        _whole_number(1, 10),
    )
    personalize_budget_ms: int = _setting(
        "PERSONALIZE_BUDGET_MS",
        "1000",
        "Milliseconds for all that one request asks of Personalize, 50 to 20000 (1000 by default).",
        _whole_number(50, 20_000),
    )
    fallback_campaign_arn: str | None = _setting(
        "FALLBACK_CAMPAIGN_ARN",
        "",
        "ARN of the campaign (or recommender) that stands in on /recommendations when another one fails.",
        _any_campaign_or_none,
    )
    fallback_items: tuple[str, ...] = _setting(
        "FALLBACK_ITEMS",
        "",
        "Ids of items that stand in when no campaign responds, best first, with commas between them.",
        _items,
    )
    experiment: Experiment | None = _setting(  # noqa: RUF009 - as above
        "EXPERIMENT",
        "",
        "Split of users between campaigns, NAME:CAMPAIGN=WEIGHT,CAMPAIGN=WEIGHT. docs/experiments.md.",
        _experiment_or_none,
    )

    def __post_init__(self) -> None:
        """Raise ConfigError for campaigns of one route with the same name, and for a broken experiment."""
        _check_names(
            (self.campaign_arn, self.ranking_campaign_arn, self.action_campaign_arn), self.other_campaign_arns
        )
        _check_experiment(self.experiment, (self.campaign_arn, *self.other_campaign_arns))

    @property
    def personalize_budget_seconds(self) -> float:
        return self.personalize_budget_ms / 1000

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Config:
        """Read the settings. ConfigError names the variable that is missing or malformed."""
        return cls(**{name: _read(setting, environ) for name, setting in _SETTING_OF_FIELD.items()})


def read(name: str, environ: Mapping[str, str]) -> Any:
    """Return the value of one variable. Raises ConfigError when it is missing or malformed."""
    return _read(_SETTING_OF_VARIABLE[name], environ)


def check(environ: Mapping[str, str]) -> None:
    """Raise ConfigError for what a function would refuse. A variable that is missing may be set later."""
    given = {
        name: _read(setting, environ)
        for name, setting in _SETTING_OF_FIELD.items()
        if environ.get(setting.name, "").strip()
    }
    defaults = [given.get(name) for name in ("campaign_arn", "ranking_campaign_arn", "action_campaign_arn")]
    _check_names(defaults, given.get("other_campaign_arns", ()))
    if "campaign_arn" in given:
        campaigns = (given["campaign_arn"], *given.get("other_campaign_arns", ()))
        _check_experiment(given.get("experiment"), campaigns)


def _check_experiment(experiment: Experiment | None, campaigns: Iterable[str]) -> None:
    names = {name_of(arn) for arn in campaigns}
    for campaign in experiment.campaigns if experiment else ():
        if campaign not in names:
            raise ConfigError(
                f"EXPERIMENT names the campaign {campaign!r}, which is not in CAMPAIGN_ARN or "
                "OTHER_CAMPAIGN_ARNS. The name of a campaign is the last part of its ARN. "
                f"There {'is' if len(names) == 1 else 'are'}: {', '.join(sorted(names))}."
            )


def _check_names(defaults: Iterable[str | None], others: Sequence[str]) -> None:
    for default in defaults:
        names = [name_of(arn) for arn in (default, *others) if arn]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(
                    f"Two campaigns have the name {name!r}, by which a request chooses one. Remove one from "
                    "OTHER_CAMPAIGN_ARNS."
                )


def _read(setting: Setting, environ: Mapping[str, str]) -> Any:
    text = environ.get(setting.name, "").strip() or setting.default
    if text is None:
        raise ConfigError(f"{setting.name} is not set. {setting.help}")
    try:
        return setting.parse(text)
    except ValueError as error:
        raise ConfigError(f"{setting.name} is {text!r}; it takes {error}. {setting.help}") from error


_SETTING_OF_FIELD: Mapping[str, Setting] = {each.name: each.metadata["setting"] for each in fields(Config)}
SETTINGS = tuple(_SETTING_OF_FIELD.values())
_SETTING_OF_VARIABLE: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
