"""The soak: ten minutes of HTTP requests to what ``make run`` starts, while parts of it fail and are killed.

Clients send at a fixed rate and send again what was not accepted. Every minute the engine gets other faults.
Workers of the functions, the engine and ``make run`` itself are killed. Another producer puts poison into the
stream. At the end, the run compares what was accepted with what was trained on, archived and quarantined.
Latencies and memory are shown and judge nothing.

The emulator itself is not killed: it stands in for services that keep what they have accepted.

``python -m simulation.soak --help`` lists the options. The tests contain a minute of it.
"""
