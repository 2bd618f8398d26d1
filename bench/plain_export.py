"""The export as one would write it in an afternoon: pandas reads every object, then works on all of it.

    build/pandas/bin/python bench/plain_export.py FOLDER FILE

It is the alternative of the part ``archive`` and runs in an environment of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd


def main(folder: str, file: str) -> None:
    """Write the rows of Personalize's import file."""
    objects = sorted(Path(folder).rglob("archive-*"))
    events = pd.concat([pd.read_json(each, lines=True, dtype=False) for each in objects])
    events = events.sort_values("ReceivedAt", kind="stable").drop_duplicates("EventId")
    of_session = events.groupby("SessionId")["UserId"]
    events["UserId"] = of_session.ffill().fillna(of_session.bfill())
    events["ITEM_ID"] = [event.get("itemId") for event in events["Event"]]
    events["EVENT_VALUE"] = [event.get("eventValue") for event in events["Event"]]
    events = events.dropna(subset=["UserId", "ITEM_ID"])
    events["TIMESTAMP"] = pd.to_datetime(events["ReceivedAt"]).map(lambda moment: int(moment.timestamp()))
    events["IMPRESSION"] = events["Impression"].str.join("|")
    names = {"UserId": "USER_ID", "EventType": "EVENT_TYPE", "RecommendationId": "RECOMMENDATION_ID"}
    columns = [
        "USER_ID",
        "ITEM_ID",
        "TIMESTAMP",
        "EVENT_TYPE",
        "EVENT_VALUE",
        "RECOMMENDATION_ID",
        "IMPRESSION",
    ]
    events.rename(columns=names)[columns].to_csv(file, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
