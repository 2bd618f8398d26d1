"""A local engine that speaks the wire protocol of personalize-runtime and personalize-events.

It is for trying the whole system without an AWS account, and for testing with failures of the service. It is
not for judging the recommendations of Amazon Personalize itself.

This module holds only the names of the engine's resources: other programs import it without loading numpy.
The names are fixed.
"""

from __future__ import annotations

REGION = "us-east-1"

CAMPAIGN_ARNS = {
    name: f"arn:aws:personalize:us-east-1:000000000000:campaign/{name}"
    for name in ("local", "popular", "similar", "ranking", "actions")
}
"""The campaigns by name. ``campaigns.py`` describes them."""

CAMPAIGN_ARN = CAMPAIGN_ARNS["local"]
"""The campaign that takes a user, an item or both (recommendations), or a list of items (ranking)."""

FILTER_ARN_PREFIX = "arn:aws:personalize:us-east-1:000000000000:filter/"
"""The ARN of a filter without its name, which is the name in filters.json."""

TRACKING_ID = "10ca1e7e-0000-4000-8000-000000000001"
"""The event tracker. Its id is fixed, so that a packaged template can be deployed before the engine runs."""

ITEMS_DATASET_ARN = "arn:aws:personalize:us-east-1:000000000000:dataset/local/ITEMS"
USERS_DATASET_ARN = "arn:aws:personalize:us-east-1:000000000000:dataset/local/USERS"
ACTIONS_DATASET_ARN = "arn:aws:personalize:us-east-1:000000000000:dataset/local/ACTIONS"

__all__ = [
    "ACTIONS_DATASET_ARN",
    "CAMPAIGN_ARN",
    "CAMPAIGN_ARNS",
    "FILTER_ARN_PREFIX",
    "ITEMS_DATASET_ARN",
    "REGION",
    "TRACKING_ID",
    "USERS_DATASET_ARN",
]
