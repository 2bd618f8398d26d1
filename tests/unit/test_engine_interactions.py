"""The user that an event belongs to, and the order of a user's events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from local.personalize.interactions import NOBODY, Interactions


def profile(interactions: Interactions, user_or_session: str) -> list[str]:
    return [interactions.item_ids[index] for index in interactions.profile(user_or_session)]


def trained(interactions: Interactions) -> list[str]:
    snapshot = interactions.snapshot()
    return [interactions.item_ids[index] for index in snapshot.items[snapshot.users != NOBODY]]


def test_a_profile_holds_each_item_once_latest_first() -> None:
    interactions = Interactions()
    interactions.add_history([("u", "a", 1, ""), ("u", "b", 2, ""), ("other", "x", 3, ""), ("u", "a", 4, "")])
    interactions.add_event("s", "u", "c", 3)
    assert profile(interactions, "u") == ["a", "c", "b"]


def test_at_the_same_second_the_later_arrival_is_the_more_recent() -> None:
    interactions = Interactions()
    for item in ("a", "b", "c"):
        interactions.add_event("s", "u", item, 7)
    assert profile(interactions, "u") == ["c", "b", "a"]


def test_an_unknown_user_has_an_empty_profile() -> None:
    assert profile(Interactions(), "nobody") == []


def test_an_anonymous_session_has_a_profile_but_is_not_trained_on() -> None:
    interactions = Interactions()
    interactions.add_event("s", None, "a", 1)
    assert profile(interactions, "s") == ["a"]
    assert trained(interactions) == []


def test_only_the_learnt_types_make_a_profile_and_train_the_model() -> None:
    interactions = Interactions(learnt_types=frozenset(("taken",)))
    interactions.add_history([("u", "a", 1, "Taken"), ("u", "b", 2, "viewed"), ("u", "c", 3, "TAKEN")])
    assert profile(interactions, "u") == ["c", "a"]
    assert trained(interactions) == ["a", "c"]
    assert len(interactions) == 3


def test_a_session_that_signs_in_gives_the_user_all_its_earlier_events() -> None:
    interactions = Interactions()
    interactions.add_history([("u", "old", 1, "")])
    interactions.add_event("s", None, "a", 2)
    interactions.add_event("s", "u", "b", 3)
    interactions.add_event("s", None, "c", 4)
    assert profile(interactions, "u") == ["c", "b", "a", "old"]
    assert profile(interactions, "s") == ["c", "b", "a"]
    assert sorted(trained(interactions)) == ["a", "b", "c", "old"]


def test_an_event_without_an_item_can_give_a_session_its_user() -> None:
    interactions = Interactions()
    interactions.add_event("s", None, "a", 1)
    interactions.add_event("s", "u", None, 2)
    assert profile(interactions, "u") == ["a"]
    assert len(interactions) == 1


def test_the_next_user_who_signs_in_on_a_shared_device_does_not_get_the_earlier_events() -> None:
    interactions = Interactions()
    interactions.add_event("s", "first", "a", 1)
    interactions.add_event("s", "second", "b", 2)
    interactions.add_event("s", None, "c", 3)
    assert profile(interactions, "first") == ["a"]
    assert profile(interactions, "second") == ["c", "b"]


def test_a_user_and_a_session_of_the_same_name_stay_apart() -> None:
    interactions = Interactions()
    interactions.add_event("1", "7", "of-seven", 1)
    interactions.add_event("2", "1", "of-one", 2)
    assert profile(interactions, "1") == ["of-one"]


def test_a_snapshot_is_not_changed_by_later_events() -> None:
    interactions = Interactions()
    interactions.add_event("s", "u", "a", 1)
    snapshot = interactions.snapshot()
    for number in range(5000):
        interactions.add_event("s", "u", f"later-{number}", 2)
    assert snapshot.items.tolist() == [0]
    assert snapshot.item_count == 1
    assert len(interactions) == 5001
    assert np.array_equal(interactions.snapshot().items, np.arange(5001))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(("s1", "s2", "s3")),
        st.sampled_from((None, None, "u1", "u2")),
        st.sampled_from((None, "a", "b", "c", "d")),
        st.integers(0, 5),
    ),
    max_size=30,
)


def expected_profiles(events: Sequence[tuple[str, str | None, str | None, int]]) -> dict[str, list[str]]:
    """Return what the same rules give in a slow and simple way."""
    owner: dict[str, str] = {}
    rows: list[tuple[int, int, str, str]] = []
    owners: dict[int, str] = {}
    for number, (session, user, item, at) in enumerate(events):
        if user is not None:
            if session not in owner:
                owners |= {earlier: user for _, earlier, of, _ in rows if of == session}
            owner[session] = user
        if item is not None:
            rows.append((at, number, session, item))
            if session in owner:
                owners[number] = owner[session]
    latest_first = sorted(rows, reverse=True)
    return {
        user: list(dict.fromkeys(item for _, number, _, item in latest_first if owners.get(number) == user))
        for user in ("u1", "u2")
    }


@given(EVENTS)
def test_any_mix_of_sessions_users_and_times_is_attributed_by_the_rules(
    events: list[tuple[str, str | None, str | None, int]],
) -> None:
    interactions = Interactions()
    for session, user, item, at in events:
        interactions.add_event(session, user, item, at)
    for user, items in expected_profiles(events).items():
        assert profile(interactions, user) == items
