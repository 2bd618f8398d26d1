"""One complete input for every operation of the two services, which the engine accepts with the catalogue.

Times are in seconds. ``MEMBERS_LEFT_OUT`` are those that the call cannot have besides the others.
"""

from typing import Any

from local.personalize import (
    ACTIONS_DATASET_ARN,
    CAMPAIGN_ARNS,
    FILTER_ARN_PREFIX,
    ITEMS_DATASET_ARN,
    TRACKING_ID,
    USERS_DATASET_ARN,
)
from local.personalize.shapes import EVENTS, RUNTIME

INPUTS: dict[tuple[str, str], dict[str, Any]] = {
    (RUNTIME, "GetRecommendations"): {
        "campaignArn": CAMPAIGN_ARNS["local"],
        "userId": "reader-001",
        "itemId": "hamlet",
        "numResults": 5,
        "context": {"DEVICE": "phone"},
        "filterArn": f"{FILTER_ARN_PREFIX}of-a-genre",
        "filterValues": {"GENRE": '"drama","poetry"'},
        "promotions": [
            {
                "name": "classics",
                "percentPromotedItems": 40,
                "filterArn": f"{FILTER_ARN_PREFIX}older-than",
                "filterValues": {"YEAR": "1700"},
            }
        ],
        "metadataColumns": {"ITEMS": ["TITLE", "YEAR"]},
    },
    (RUNTIME, "GetPersonalizedRanking"): {
        "campaignArn": CAMPAIGN_ARNS["ranking"],
        "userId": "reader-001",
        "inputList": ["hamlet", "dracula", "emma"],
        "context": {"DEVICE": "phone"},
        "filterArn": f"{FILTER_ARN_PREFIX}older-than",
        "filterValues": {"YEAR": "1900"},
        "metadataColumns": {"ITEMS": ["AUTHOR"]},
    },
    (RUNTIME, "GetActionRecommendations"): {
        "campaignArn": CAMPAIGN_ARNS["actions"],
        "userId": "reader-001",
        "numResults": 3,
        "filterArn": f"{FILTER_ARN_PREFIX}actions-of-a-kind",
        "filterValues": {"KIND": '"loans"'},
    },
    (EVENTS, "PutEvents"): {
        "trackingId": TRACKING_ID,
        "userId": "reader-of-every-member",
        "sessionId": "session-of-every-member",
        "eventList": [
            {
                "eventId": "event-of-every-member",
                "eventType": "read",
                "eventValue": 4.5,
                "itemId": "hamlet",
                "properties": '{"shelf":"3"}',
                "sentAt": 1770000000,
                "recommendationId": "RID-1",
                "impression": ["hamlet", "macbeth"],
                "metricAttribution": {"eventAttributionSource": "mail"},
            }
        ],
    },
    (EVENTS, "PutActionInteractions"): {
        "trackingId": TRACKING_ID,
        "actionInteractions": [
            {
                "actionId": "renew-a-loan",
                "userId": "reader-of-every-member",
                "sessionId": "session-of-every-member",
                "timestamp": 1770000000,
                "eventType": "Taken",
                "eventId": "interaction-of-every-member",
                "recommendationId": "RID-1",
                "impression": ["renew-a-loan", "rate-a-book"],
                "properties": '{"shelf":"3"}',
            }
        ],
    },
    (EVENTS, "PutItems"): {
        "datasetArn": ITEMS_DATASET_ARN,
        "items": [{"itemId": "new-book", "properties": '{"title":"New","genres":"poetry"}'}],
    },
    (EVENTS, "PutUsers"): {
        "datasetArn": USERS_DATASET_ARN,
        "users": [{"userId": "new-reader", "properties": '{"favouriteGenres":"poetry"}'}],
    },
    (EVENTS, "PutActions"): {
        "datasetArn": ACTIONS_DATASET_ARN,
        "actions": [{"actionId": "new-action", "properties": '{"kind":"loans","value":1}'}],
    },
}
MEMBERS_LEFT_OUT = {(RUNTIME, "GetRecommendations"): {"recommenderArn"}}
"""A call has a campaign or a recommender."""
