"""What the engine has accepted."""


def received(stack, *, after=0):
    """Return every event that the engine has accepted, in order of arrival."""
    events = []
    while True:
        page = stack.engine.control("GET", f"/_engine/events?after={after}")["events"]
        if not page:
            return events
        events += page
        after = page[-1]["seq"]


def received_of(stack, user):
    """Return those of one user."""
    return [entry for entry in received(stack) if entry["userId"] == user]
