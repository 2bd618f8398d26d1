"""The limits of the event in which Lambda sends a batch of Kinesis records."""

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""Size limit of the event of one batch.

The page is docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html.
"""
RECORD_OVERHEAD_BYTES = 600
"""Upper bound of what the event holds for one record in addition to the record's data."""
