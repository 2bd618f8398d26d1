"""A page of five lists in one call, beside five calls: time, processor time and price."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from bench.measure import Row, Series, once, take_turns
from bench.sandbox import Measured, Sandbox, sandbox
from bench.server import running_server
from ops.capacity.load import deployed_memory_mb
from ops.capacity.prices import Prices

LISTS = 5
ROUNDS = 41
WARM_UP = 20
LATENCY_SECONDS = 0.02
"""Of Personalize, as in the parts about delivery."""

ONE_AFTER_ANOTHER = "five calls, one after another"
AT_ONCE = "five calls at once"


@dataclass(frozen=True)
class Page:
    """One page: how long it took, and its calls."""

    seconds: float
    calls: Sequence[Measured]


def rows() -> Iterator[Row]:
    """Yield time, processor time and price. Calls at once are five sandboxes, as Lambda would start them."""
    with running_server(LATENCY_SECONDS) as server, ExitStack() as stack:

        def start(target: str) -> Sandbox:
            return stack.enter_context(sandbox(f"bench.handlers:{target}", server.url, warm_up=WARM_UP))

        page, single = start(f"our_page {LISTS}"), start("our_recommendations")
        singles = [start("our_recommendations") for _ in range(LISTS)]
        pool = stack.enter_context(ThreadPoolExecutor(LISTS))
        measured: dict[str, list[Page]] = {"page": [], ONE_AFTER_ANOTHER: [], AT_ONCE: []}

        def contender(name: str, run: Callable[[], Sequence[Measured]]) -> Callable[[], float]:
            def seconds() -> float:
                started = time.perf_counter()
                results = run()
                page = Page(time.perf_counter() - started, results)
                measured[name].append(page)
                return page.seconds

            return seconds

        take_turns(
            {
                "page": contender("page", lambda: [page.run()]),
                ONE_AFTER_ANOTHER: contender(ONE_AFTER_ANOTHER, lambda: [single.run() for _ in range(LISTS)]),
                AT_ONCE: contender(AT_ONCE, lambda: [*pool.map(Sandbox.run, singles)]),
            },
            ROUNDS,
        )
    for other in (ONE_AFTER_ANOTHER, AT_ONCE):
        yield _row("time", "ms", _milliseconds, measured, other)
        yield _row("processor time", "ms CPU", _cpu_milliseconds, measured, other)
    prices = [_price_of_a_million(measured[name]) for name in ("page", AT_ONCE)]
    yield Row(
        f"page of {LISTS} lists: a million without Personalize",
        "USD",
        once(prices[0]),
        "five calls",
        once(prices[1]),
    )


def _row(
    what: str, unit: str, value: Callable[[Page], float], measured: Mapping[str, list[Page]], other: str
) -> Row:
    ours, theirs = (Series(tuple(map(value, measured[name]))) for name in ("page", other))
    return Row(f"page of {LISTS} lists: {what}", unit, ours, other, theirs)


def _milliseconds(page: Page) -> float:
    return 1000 * page.seconds


def _cpu_milliseconds(page: Page) -> float:
    return 1000 * sum(call.cpu_seconds for call in page.calls)


def _price_of_a_million(pages: Sequence[Page]) -> float:
    """Return what API Gateway, Lambda and the log lines cost. Lambda bills the time of each invocation."""
    prices, memory_mb = Prices(), deployed_memory_mb("api_handler")
    seconds = median(sum(call.wall_seconds for call in page.calls) for page in pages)
    one = prices.gateway_million + prices.lambda_million + 0.4 * prices.log_gb
    return len(pages[0].calls) * one + 1e6 * seconds * memory_mb / 1024 * prices.lambda_gb_second
