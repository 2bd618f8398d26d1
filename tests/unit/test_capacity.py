"""The capacity calculator: its promises, compared with the delivery code under simulated traffic."""

import math
import re
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app import app
from bench import capacity_check as simulation
from chalicelib.records.events import MAX_ENTRIES_PER_CALL
from chalicelib.services import DELIVERY_CONCURRENCY
from ops.capacity import capacity
from ops.capacity.advice import with_longer_window
from ops.capacity.batches import call_chances, delivery_of
from ops.capacity.capacity import size
from ops.capacity.load import MB_OF_ONE_CPU, Load, option_name
from ops.capacity.plans import Plan, deployed_limits
from ops.capacity.prices import HOURS_PER_MONTH, MILLION_SECONDS, Prices
from ops.capacity.worst_case import leaked_key_price, preflights_price, requests_per_month

ROOT = Path(__file__).resolve().parents[2]

WHOLE_VCPU = {"memory_mb": MB_OF_ONE_CPU}
TRAFFIC = {
    "10/s": (Load(10.0), 8_000),
    "1,000/s": (Load(1000.0), 20_000),
    "100,000/s": (Load(100_000.0), 24_000),
    # Batches that end with the window before they are full, with several readers of a shard.
    "100,000/s with three shard readers": (Load(100_000.0, parallelization_factor=3, **WHOLE_VCPU), 12_000),
    # Batches that reach Lambda's payload limit, of sessions that often need a second call.
    "400/s gathered for 10 s": (
        Load(
            400.0,
            shards=1,
            seconds_between_events=1.0,
            record_bytes=1100,
            batch_size=10_000,
            window_seconds=10.0,
            **WHOLE_VCPU,
        ),
        20_000,
    ),
    "20/s of two sessions": (Load(20.0, seconds_between_events=0.1, shards=1), 4_000),
}
"""Loads, and how many events are enough for stable averages."""


@pytest.fixture(scope="module", params=TRAFFIC, ids=str)
def both(request):
    """A load's delivery, calculated and simulated."""
    load, events = TRAFFIC[request.param]
    return delivery_of(load), simulation.simulate(load, Random(1), events=events)


@pytest.mark.slow
def test_the_calculation_agrees_with_the_delivery_code_within_three_percent(both):
    calculated, simulated = both
    for figure in (
        "records_per_batch",
        "calls_per_batch",
        "put_events_per_second",
        "invocation_seconds",
        "invocations_at_once",
        "busy_share",
    ):
        assert getattr(calculated, figure) == pytest.approx(getattr(simulated.delivery, figure), rel=0.03), (
            figure
        )


@pytest.mark.slow
def test_a_load_that_keeps_up_by_calculation_keeps_up_in_the_simulation(both):
    calculated, simulated = both
    assert calculated.keeps_up == simulated.keeps_up
    if calculated.keeps_up:
        assert simulated.longest_wait_seconds == pytest.approx(calculated.longest_wait_seconds, rel=0.15)


@pytest.mark.slow
def test_a_simulation_is_the_same_at_every_run():
    first, second = (simulation.simulate(Load(1000.0), Random(7), events=5000) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("mean", "calls"),
    [
        (1e-6, 1e-6),
        (1.0, 1 - math.exp(-1)),  # ten events in a second fit one call, eleven are rare
        (5000.0, 500.45),  # a long session's last call is half full on average
    ],
)
def test_calls_of_a_session_at_the_ends_of_the_series(mean, calls):
    assert sum(call_chances(mean)) == pytest.approx(calls, rel=1e-4)


@pytest.mark.parametrize(
    ("events", "record_bytes", "shards"),
    [(0.01, 100, 1), (1000, 500, 1), (1001, 500, 2), (1000, 1000, 1), (1000, 1001, 2), (100_000, 500, 100)],
)
def test_a_shard_takes_a_thousand_records_and_a_megabyte_a_second(events, record_bytes, shards):
    assert Load(events, record_bytes=record_bytes).shards_needed == shards


@pytest.mark.parametrize(("events", "shards"), [(10, 4), (2000, 4), (2001, 6), (100_000, 200)])
def test_on_demand_starts_with_four_shards_and_keeps_twice_the_peak(events, shards):
    assert Load(events).shards_open == shards
    assert Load(events, shards=3).shards_open == 3


@pytest.mark.parametrize(("record_bytes", "records"), [(500, 1000), (5000, 865)])
def test_a_batch_ends_at_its_size_or_at_lambdas_payload_limit(record_bytes, records):
    assert Load(record_bytes=record_bytes).largest_batch == records


def test_events_that_come_in_bursts_need_fewer_calls_down_to_a_tenth():
    calls = [
        delivery_of(Load(1000.0, seconds_between_events=seconds)).put_events_per_second
        for seconds in (60, 1, 0.1)
    ]
    assert calls == sorted(calls, reverse=True)
    assert calls[-1] >= 1000 / MAX_ENTRIES_PER_CALL


def test_more_memory_shortens_an_invocation_until_there_is_a_whole_processor():
    seconds = [
        delivery_of(Load(900.0, shards=1, memory_mb=memory)).invocation_seconds for memory in (256, 512, 1769)
    ]
    assert seconds == sorted(seconds, reverse=True)
    assert delivery_of(Load(900.0, shards=1, memory_mb=3008)).invocation_seconds == seconds[-1]


def test_an_invocation_with_enough_processor_time_waits_for_personalize_with_many_sessions_at_once():
    load = Load(1000.0, shards=1, cpu_ms_per_call=0.0, cpu_ms_per_event=0.0, seconds_between_events=3600.0)
    delivery = delivery_of(load)
    rounds = delivery.calls_per_batch / DELIVERY_CONCURRENCY
    assert delivery.invocation_seconds == pytest.approx(rounds * 0.020, rel=0.02)


def advice(load, word):
    return [sentence for sentence in size(load).advice if word in sentence]


def test_a_load_within_all_limits_gets_no_advice():
    assert size(Load(10.0)).advice == ()


@pytest.mark.parametrize(
    ("load", "word", "says"),
    [
        (Load(5000.0, shards=4), "throttles", "Set it to 5 at least"),
        (Load(5000.0), "on-demand", "begin with ShardCount 10"),
        (Load(400.0, shards=1, memory_mb=512), "falls behind", "give deliver_events 1769 MB"),
        (
            Load(1000.0, shards=1, memory_mb=512, put_events_ms=100.0),
            "falls behind",
            "Set ParallelizationFactor to ",
        ),
        (Load(1000.0, shards=1, put_events_ms=3000.0), "falls behind", "Add shards"),
        (Load(2000.0), "PutEvents", "or gather events for longer: a batching window of "),
        (Load(100_000.0), "PutEvents", "with ten events in each call there are 10,000"),
        (
            Load(100.0),
            "usage plan",
            "ThrottleRateLimit=100, StageThrottleRateLimit=130 and MonthlyQuota=263000000",
        ),
        (Load(20_000.0), "API Gateway", "Send more events in each request"),
        (Load(10.0, recommendations_per_second=600.0), "campaign", "Ask AWS for a quota of 600"),
        (Load(100_000.0), "Lambda", "an account has 1,000"),
    ],
)
def test_an_exceeded_limit_gets_a_sentence_that_says_what_to_do(load, word, says):
    (sentence,) = advice(load, word)
    assert says in sentence


def test_what_is_advised_helps():
    load = Load(2000.0)
    longer = with_longer_window(load)
    assert delivery_of(load).put_events_per_second > load.put_events_quota
    assert delivery_of(longer).put_events_per_second <= load.put_events_quota
    behind = Load(400.0, shards=1, memory_mb=512)
    assert not delivery_of(behind).keeps_up
    assert delivery_of(replace(behind, **WHOLE_VCPU)).keeps_up


def test_what_events_cost_grows_with_them_and_the_rest_stays():
    one, two = (size(Load(rate, shards=1)).price for rate in (1000.0, 2000.0))
    fixed = {"alarms, metrics, key", "Personalize, campaign"}
    for item in one.keys() - fixed - {"Kinesis", "delivery function"}:
        assert two[item] == pytest.approx(2 * one[item]), item
    assert all(one[item] == two[item] > 0 for item in fixed)


def test_a_campaign_bills_for_one_request_a_second_at_least():
    prices = [
        size(Load(10.0, recommendations_per_second=rate)).price["Personalize, campaign"]
        for rate in (0.0, 1, 3)
    ]
    assert prices == [pytest.approx(146.12, abs=0.01)] * 2 + [pytest.approx(3 * 146.12, abs=0.02)]


def deploy_guide():
    return (ROOT / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize(("events_per_request", "column"), [(1.0, 0), (100.0, 1)])
def test_a_million_events_cost_what_the_deployment_guide_says(events_per_request, column):
    priced = size(Load(1000.0, events_per_request=events_per_request)).price
    ours = ("API Gateway", "API function", "Kinesis", "delivery function", "Firehose and S3")
    hourly = Prices().on_demand_hour * HOURS_PER_MONTH
    million = (sum(priced[item] for item in ours) - hourly) / (1000 * MILLION_SECONDS)
    totals = re.search(r"\*\*ours\*\* \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\*", deploy_guide()).groups()
    assert million == pytest.approx(float(totals[column]), abs=0.03)


def test_a_million_recommendations_cost_what_the_deployment_guide_says():
    base, asked = (size(Load(10.0, recommendations_per_second=rate)).price for rate in (0.0, 1.0))
    ours = sum(asked[item] - base[item] for item in ("API Gateway", "API function"))
    total = re.search(r"\*\*ours\*\* \| \| \*\*([\d.]+)\*\*", deploy_guide()).group(1)
    assert ours / MILLION_SECONDS == pytest.approx(float(total), abs=0.01)


def test_a_stream_at_rest_costs_what_the_deployment_guide_says():
    on_demand, one_shard = (size(Load(0.01, shards=shards)).price["Kinesis"] for shards in (0, 1))
    assert f"| {on_demand:.2f} |" in deploy_guide()
    assert f"| {one_shard:.2f} |" in deploy_guide()


WEB = Plan("web", 20, 1_000_000)


def test_a_leaked_key_costs_in_proportion_to_its_quota_and_to_the_events_of_a_request():
    prices = [leaked_key_price(WEB, events, 1) for events in (25, 50, 500)]
    assert prices[1] == pytest.approx(2 * prices[0], rel=0.1)
    assert prices[2] == pytest.approx(10 * prices[1], rel=0.1)
    half = leaked_key_price(replace(WEB, monthly_quota=500_000), 500, 1)
    assert half == pytest.approx(prices[2] / 2, rel=0.05)


def test_the_worst_request_is_a_recommendation_where_a_request_carries_few_events():
    million = Prices().personalize_thousand * 1000 + Prices().gateway_million
    assert leaked_key_price(WEB, 1, 1) == pytest.approx(million, rel=0.02)
    assert leaked_key_price(WEB, 1, 1) == leaked_key_price(WEB, 2, 1)


def test_no_request_of_the_calculator_costs_more_than_the_worst_case():
    """Every combination of size and activity that Load takes, at the quota of the key, for events."""
    worst = leaked_key_price(WEB, 500, 10)
    events_per_second = WEB.monthly_quota * 500 / (MILLION_SECONDS * 1e6)
    for record_bytes in (100, 1000, 5000, 10_240):
        for seconds in (0.1, 10.0, 3600.0):
            load = Load(
                events_per_second,
                events_per_request=500,
                record_bytes=record_bytes,
                seconds_between_events=seconds,
            )
            price = size(load).price
            fixed = price["alarms, metrics, key"] + price["Personalize, campaign"]
            assert sum(price.values()) - fixed - Prices().on_demand_hour * HOURS_PER_MONTH <= worst


@pytest.mark.parametrize(
    ("plan", "requests"),
    [(WEB, 1_000_000), (Plan("slow", 1, 5_000_000), 2_628_000), (Plan("free", 20, 0), 52_560_000)],
)
def test_a_key_makes_its_quota_of_requests_unless_its_throttle_allows_fewer(plan, requests):
    assert requests_per_month(plan) == pytest.approx(requests)


def test_the_plans_are_those_of_the_access_template():
    limits = deployed_limits()
    assert {plan.name for plan in limits.plans} == {"main", "web", "partner"}
    assert limits.beside("main") == sum(p.requests_per_second for p in limits.plans if p.name != "main")
    assert limits.preflighted_paths == len(app.routes)
    assert preflights_price(limits) == pytest.approx(1287.72, abs=0.01)


def test_the_deployment_guide_has_the_price_of_a_leaked_key():
    rows = dict(re.findall(r"(?m)^\| (\S[^|]*?) \| [^|]+ \| ([\d,.]+ \| [\d,.]+) \|$", leaked_key_table()))
    loads = [Load(), Load(max_events_per_request=25, max_requests_per_page=5)]
    costs = [capacity.worst_prices(load) for load in loads]
    assert rows == {
        who: f"{costs[0][who]:,.0f} | {costs[1][who]:,.0f}" for who in costs[0] if who != "without a key"
    }
    assert f"at most {costs[0]['without a key']:,.0f} USD a month" in leaked_key_table()


def leaked_key_table():
    return deploy_guide().split("### What a leaked key can cost")[1]


def test_the_example_of_the_capacity_guide_is_what_the_command_prints(capsys):
    text = (ROOT / "docs" / "capacity.md").read_text()
    example = text.split("make capacity EVENTS_PER_SECOND=5000 EVENTS_PER_REQUEST=20\n\n")[1].split(
        "\nA value"
    )[0]
    capacity.main(["--events-per-second", "5000", "--events-per-request", "20"])
    assert [line.removeprefix("    ") for line in example.rstrip().splitlines()] == (
        capsys.readouterr().out.rstrip().splitlines()
    )


def test_the_defaults_are_what_is_deployed():
    sources: list[Any] = app.event_sources
    (source,) = sources
    resources = "".join(
        (ROOT / "resources" / name).read_text() for name in ("one-stack.yaml", "access.yaml", "pipeline.yaml")
    )
    load = Load()
    assert load.batch_size == source.batch_size
    assert load.window_seconds == source.maximum_batching_window_in_seconds
    assert f"ParallelizationFactor: {load.parallelization_factor}\n" in resources
    for parameter, value in (
        ("ThrottleRateLimit", load.throttle_rate_limit),
        ("ShardCount", load.shards),
        ("MaxEventsPerRequest", load.max_events_per_request),
        ("MaxRequestsPerPage", load.max_requests_per_page),
    ):
        assert re.search(rf"\n  {parameter}:\n    Type: Number\n    Default: {value:g}\n", resources), (
            parameter
        )


@pytest.mark.parametrize("each", fields(Load), ids=lambda each: each.name)
@pytest.mark.parametrize("value", ["-1", "1e99", "nan", "many"])
def test_a_value_out_of_range_is_refused_with_a_sentence_that_names_the_option(each, value, capsys):
    with pytest.raises(SystemExit) as ended:
        capacity.main([option_name(each.name), value])
    assert ended.value.code == 2
    assert option_name(each.name) in capsys.readouterr().err.splitlines()[-1]


def test_the_command_prints_needs_price_and_advice(capsys):
    capacity.main(["--events-per-second", "5000", "--recommendations-per-second", "20"])
    printed = capsys.readouterr().out
    for line in ("5,000 events/s", "5 needed", "PutEvents", "Kinesis", "in all", "! "):
        assert line in printed


def test_the_comparison_shows_both_sides():
    load = Load(10.0)
    printed = simulation.comparison(size(load), simulation.simulate(load, Random(1), events=1000))
    assert "10 events/s" in printed
    assert printed.count("keeps up") == 2


def test_the_simulation_refuses_records_larger_than_any_event():
    with pytest.raises(SystemExit, match="--record-bytes"):
        simulation.main(["--record-bytes", "9000"])
