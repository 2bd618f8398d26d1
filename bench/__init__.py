"""Measurements of what this project costs, each beside a named alternative. This folder tests nothing.

Nothing here is asserted, because another machine can be slower. What only the code can change (calls, bytes,
imports) is asserted in tests/integration/test_costs.py.
"""
