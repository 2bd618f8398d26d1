"""The local engine with as many interactions as a real shop brings along."""

import boto3
import pytest

from bench.interactions import user_ids, write_interactions
from local.personalize import CAMPAIGN_ARN, REGION
from local.personalize.process import running_engine

INTERACTIONS = 1_000_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_interactions(folder, INTERACTIONS)
    return folder


def test_an_engine_with_a_million_interactions_starts_and_recommends(data):
    with running_engine(data=data, database=data / "events.sqlite") as engine:
        client = boto3.client("personalize-runtime", endpoint_url=engine.url, region_name=REGION)
        for user in user_ids(INTERACTIONS)[:100]:
            found = client.get_recommendations(campaignArn=CAMPAIGN_ARN, userId=user, numResults=25)
            assert len({item["itemId"] for item in found["itemList"]}) == 25
        client.close()
