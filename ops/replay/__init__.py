"""``make replay``: archived events to an event tracker, by the code that delivers the events of the stream.

It writes nothing but its own position. What the archive holds is read by queries, a day at a time.
"""
