"""`make forget` killed before and after each of its changes."""

import pytest

from tests.support.forgetting import contents, kill_at_each_change, running_account


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    with running_account(tmp_path_factory.mktemp("forget")) as account:
        yield account


def test_killed_at_any_change_nothing_of_others_is_lost_or_doubled(account, tmp_path, eventually):
    assert kill_at_each_change(account, contents("ann", "ben"), tmp_path, eventually) > 40
