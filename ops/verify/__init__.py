"""``make verify``: the proof that a deployment works. One marked test user plays the whole path.

doctor looks without touching; this package sends requests and events, and takes away what it has made.
"""
