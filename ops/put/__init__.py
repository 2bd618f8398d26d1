"""``make put``: the rows of a CSV file become items, users or actions of Personalize.

It is for back-office jobs with AWS credentials: the API key is in every web page and writes no catalogue. It
is not for events, which go through the API, nor for a first import of millions, for which Personalize has
dataset import jobs.
"""
