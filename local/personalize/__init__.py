"""A local engine that speaks the wire protocol of personalize-runtime and personalize-events.

For trying the whole system without an AWS account, and for rehearsing what production will do. Not for
judging the quality of Amazon Personalize's own recommendations.

This module holds only the names of the engine's resources, so that other programs can import it without
loading numpy. The engine has one of each, with these fixed names:
"""

from __future__ import annotations

REGION = "us-east-1"

CAMPAIGN_ARN = "arn:aws:personalize:us-east-1:000000000000:campaign/local"
"""The one campaign: it takes a user, an item or both (recommendations), or a list of items (ranking)."""

TRACKING_ID = "10ca1e7e-0000-4000-8000-000000000001"
"""The one event tracker. Fixed, so that a packaged template can be deployed before the engine runs."""

ITEMS_DATASET_ARN = "arn:aws:personalize:us-east-1:000000000000:dataset/local/ITEMS"
USERS_DATASET_ARN = "arn:aws:personalize:us-east-1:000000000000:dataset/local/USERS"

__all__ = ["CAMPAIGN_ARN", "ITEMS_DATASET_ARN", "REGION", "TRACKING_ID", "USERS_DATASET_ARN"]
