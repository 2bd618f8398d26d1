"""What the archive gives back: queries, the import files of Personalize, and the job that imports them.

On AWS, Athena does the work; nothing here scans the archive on one machine. For the stage ``local`` the same
SQL runs on DuckDB. It writes no event and removes none.
"""
