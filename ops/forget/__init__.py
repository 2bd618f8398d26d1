"""``make forget``: removes a person from the archive, from what was not delivered, and from Personalize.

It is about one user id. It reads whole objects of the bucket only where a query found lines of the person, or
where no query can look. What it cannot reach (the stream, Athena's history, files on other machines) is named
in docs/operations.md.
"""
