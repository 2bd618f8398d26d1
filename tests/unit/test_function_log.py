"""The functions' log lines that the emulator offers to the log view."""

from concurrent.futures import ThreadPoolExecutor

from local.function_log import FunctionLog

LINE_BYTES = 300


def texts(page):
    return [text for _, text in page.lines]


def test_a_reader_gets_every_line_once_in_order():
    log = FunctionLog()
    seen, last = [], 0
    for number in range(20):
        log.add([(number, f"{number} a"), (number, f"{number} b")])
        if number % 3 == 0:
            page = log.after(last)
            seen, last = seen + texts(page), page.last
    seen += texts(log.after(last))
    assert seen == [f"{number} {part}" for number in range(20) for part in "ab"]


def test_a_read_returns_the_new_lines_only_whatever_was_logged_before():
    log = FunctionLog()
    for number in range(10_000):
        log.add([(number, "earlier")])
    last = log.after(0).last
    log.add([(1, "new")])
    assert log.after(last).lines == [(1, "new")]
    assert log.after(last + 1).lines == []


def test_what_is_kept_is_bounded_and_a_late_reader_learns_what_it_missed():
    log = FunctionLog(max_bytes=10 * LINE_BYTES)
    for number in range(1000):
        log.add([(number, f"{number:04}".ljust(100))])
    page = log.after(400)
    assert page.last == 1000
    assert texts(page)[-1].strip() == "0999"
    assert len(page.lines) == 10
    assert page.dropped == 590


def test_a_line_longer_than_the_bound_is_dropped_and_counted():
    log = FunctionLog(max_bytes=1000)
    log.add([(1, "x" * 2000)])
    assert (log.after(0).lines, log.after(0).dropped) == ([], 1)


def test_lines_of_one_invocation_stay_together():
    log = FunctionLog()
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda n: log.add([(n, f"{n} {part}") for part in range(5)]), range(500)):
            pass
    lines = texts(log.after(0))
    invocations = [lines[start:][:5] for start in range(0, len(lines), 5)]
    assert len(invocations) == 500
    assert all(
        [line.split()[1] for line in part] == list("01234") and len({line.split()[0] for line in part}) == 1
        for part in invocations
    )
