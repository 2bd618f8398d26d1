"""Lambda's and Kinesis' rules in memory, the chaos run on top of them, and the soak of ``make run``.

Nothing here is deployed.
"""
