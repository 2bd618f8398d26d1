"""What became of one event: ``make trace EVENT=id``. Reads only.

``command`` asks archive, quarantine, bucket and delivery for facts. ``judging`` and ``progress`` are pure and
make sentences of them. Nothing here repairs anything: ``ops.redrive`` does.
"""
