"""What ``make run`` starts on this machine: the AWS services, the Personalize engine and a view of the log.

Not for AWS: nothing here is packaged, and ``app.py`` and ``chalicelib`` never import it.
"""
