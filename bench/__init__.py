"""`make bench`: what this project costs, each number beside a named alternative measured in the same minute.

Nothing here is asserted: what a machine can make slow is measured, and what only the code can change (calls,
bytes, imports) is held by tests/integration/test_costs.py.
"""
