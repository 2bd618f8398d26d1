"""What CloudWatch makes of metrics: the periods of an alarm, its statistic, missing data, metric math.

Only what the alarms of this project use. The rules: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/,
pages alarm-evaluation.html, alarms-and-missing-data.html and using-metric-math.html.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

Samples = Mapping[tuple[str, str], Sequence[Sequence[float]]]
"""By namespace and name of the metric: the samples of each minute. A minute without samples has no data."""

_COMPARED = {"GreaterThanThreshold": lambda value, threshold: value > threshold}
_WORDS = {"IF": "_if", "FILL": "_fill", "AND": "and", "OR": "or"}


def minute_of_alarm(alarm: Mapping[str, Any], samples: Samples) -> int | None:
    """Return the minute at whose end the alarm goes off first; None when it never does.

    ``alarm`` is the properties of AWS::CloudWatch::Alarm. KeyError: it reads a metric that nothing publishes.
    """
    minutes, values = _series(alarm, samples)
    evaluated = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm", evaluated))
    compare = _COMPARED[alarm["ComparisonOperator"]]
    treated = {"notBreaching": False, "breaching": True}[alarm["TreatMissingData"]]
    breaching = [treated if value is None else compare(value, alarm["Threshold"]) for value in values]
    for end in range(evaluated, len(breaching) + 1):
        if sum(breaching[end - evaluated : end]) >= needed:
            return end * minutes
    return None


def _series(alarm: Mapping[str, Any], samples: Samples) -> tuple[int, list[float | None]]:
    """Return the minutes of a period, and the value of each period."""
    if "Metrics" not in alarm:
        statistic = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        minutes = alarm["Period"] // 60
        return minutes, _statistics(samples[alarm["Namespace"], alarm["MetricName"]], minutes, statistic)
    series: dict[str, list[float | None]] = {}
    [minutes] = {each["MetricStat"]["Period"] // 60 for each in alarm["Metrics"] if "MetricStat" in each}
    for each in alarm["Metrics"]:
        if "MetricStat" in each:
            metric = each["MetricStat"]["Metric"]
            published = samples[metric["Namespace"], metric["MetricName"]]
            series[each["Id"]] = _statistics(published, minutes, each["MetricStat"]["Stat"])
    [expression] = [each["Expression"] for each in alarm["Metrics"] if each.get("ReturnData", True)]
    periods = len(next(iter(series.values())))
    return minutes, [
        calculate(expression, {name: values[i] for name, values in series.items()}) for i in range(periods)
    ]


def _statistics(published: Sequence[Sequence[float]], minutes: int, statistic: str) -> list[float | None]:
    periods = range(0, len(published) - minutes + 1, minutes)
    return [_statistic([s for m in published[i : i + minutes] for s in m], statistic) for i in periods]


def _statistic(values: list[float], name: str) -> float | None:
    if not values:
        return None
    if name.startswith("p"):
        return sorted(values)[math.ceil(len(values) * float(name[1:]) / 100) - 1]
    if name == "Average":
        return sum(values) / len(values)
    return {"Sum": sum(values), "Maximum": max(values), "Minimum": min(values)}[name]


def calculate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Return the value of a metric math expression for one period. None stands for missing data.

    An operation on a missing value has no value; only FILL makes one.
    """
    code = re.sub(r"\b(IF|FILL|AND|OR)\b", lambda word: _WORDS[word.group()], expression)
    known = {"_if": lambda condition, yes, no: yes if condition else no, "_fill": _fill}
    try:
        value: float = eval(code, {"__builtins__": {}}, known | dict(values))
    except TypeError:
        return None
    return value


def _fill(value: float | None, instead: float) -> float:
    return instead if value is None else value
