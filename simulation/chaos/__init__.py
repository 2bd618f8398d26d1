"""The chaos run: everything goes wrong at once, and at the end the books have to balance.

Events go into a stream; an event source that keeps Lambda's rules hands them to the real deliver_events, in
processes that are killed at any moment; a local Personalize engine throttles, fails and drops connections;
poison has to end in a real queue. Then what was put is compared with what arrived.

python -m simulation.chaos --help tells what can be varied. A small run is part of the tests.
"""
