"""The chaos run: it delivers events while every fault happens and counts the results. It measures no speed.

Events are put into a stream. An event source with Lambda's rules sends them to the real ``deliver_events``,
in processes that are killed at any moment. The local Personalize engine throttles, fails and resets
connections. Poison records have to arrive in a real queue. At the end, the run compares what was put into the
stream with what arrived.

``python -m simulation.chaos --help`` lists the options. The tests contain a small run.
"""
