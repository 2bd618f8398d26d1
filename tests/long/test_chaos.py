"""``make chaos`` with ten times the events of tests/long/test_chaos_small.py, in both settings."""

from simulation.chaos.__main__ import main


def test_every_promise_is_kept_for_twenty_thousand_events_in_both_settings(capsys):
    status = main(["--events", "20000", "--sessions", "1000"])
    printed = capsys.readouterr()
    assert status == 0, printed.out + printed.err
    assert "BROKEN" not in printed.out
    accepted, lost = (
        line.split()[2:]
        for line in printed.out.splitlines()
        if line.startswith(("events accepted", "events lost"))
    )
    assert lost == ["0", "0"]
    assert all(int(number.replace(",", "")) >= 20_000 for number in accepted)
