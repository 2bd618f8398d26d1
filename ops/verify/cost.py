"""What a run costs on AWS, at list prices. Pure."""

from __future__ import annotations

from ops.archive.show import price
from ops.capacity.prices import Prices
from ops.verify.archive import MAX_SCAN_BYTES

REQUESTS = 20
LISTS = 20
INTRUSIVE_REQUESTS = 100
"""Events while delivery is stopped. Requests without a key are not billed."""
EVENTS = 6
QUERIES = 12
METRICS = 40
_USD_PER_METRIC = 0.01 / 1000
_USD_PER_CALL = 0.005 / 1000
"""Of S3's dearest call. SQS, SNS and Logs are cheaper."""
CALLS = 300


def estimate(*, is_intrusive: bool, scan_bytes: int = MAX_SCAN_BYTES) -> float:
    """Return US dollars for a run, as an upper bound."""
    prices = Prices()
    requests = REQUESTS + (INTRUSIVE_REQUESTS if is_intrusive else 0)
    return (
        requests * prices.gateway_million / 1e6
        + LISTS * prices.personalize_thousand / 1000
        + EVENTS * prices.million_invocations(1.0, 1024) / 1e6
        + QUERIES * price(scan_bytes)
        + METRICS * _USD_PER_METRIC
        + CALLS * _USD_PER_CALL
    )
