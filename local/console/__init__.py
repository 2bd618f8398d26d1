"""The console's own server: the files of ``console/``, and what the page needs beside the deployed API.

It is for the person at this machine: it listens on 127.0.0.1 and refuses the pages of others. It is not a
part of the deployed API and makes no decision of it.
"""
