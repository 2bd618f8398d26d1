"""The arithmetic of `make bench`."""

from bench.measure import Row, Series, markdown, once, take_turns


def test_ratios_are_taken_round_by_round_so_that_a_slow_round_slows_both():
    ours, theirs = Series((1.0, 10.0, 1.0)), Series((2.0, 20.0, 2.0))
    assert ours.against(theirs).values == (0.5, 0.5, 0.5)


def test_contenders_are_measured_in_turn_and_each_round_reverses_the_order():
    seen = []

    def contender(name):
        def measure():
            seen.append(name)
            return float(len(seen))

        return measure

    series = take_turns({"a": contender("a"), "b": contender("b")}, rounds=2)
    assert seen == ["a", "b", "b", "a"]
    assert (series["a"].values, series["b"].values) == ((1.0, 4.0), (2.0, 3.0))


def test_the_table_has_medians_quartiles_ratio_and_target():
    row = Row("request", "ms", Series((1.0, 2.0, 3.0)), "bare", Series((4.0, 4.0, 4.0)), "≤ 0.95")
    last = markdown([row]).splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")] == [
        "request",
        "2.00 [1.50–2.50] ms",
        "bare",
        "4.00 [4.00–4.00] ms",
        "0.50 [0.38–0.62]",
        "≤ 0.95",
    ]


def test_a_count_has_no_spread():
    assert "| 1,117 KiB " in markdown([Row("size", "KiB", once(1117.4))])
