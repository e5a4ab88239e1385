"""Every figure that the documentation claims, measured: `python -m benchmarks`.

A module here that has a function `run(settings)` is a benchmark: it yields its figures. The others help them. A figure
is a ratio against a baseline timed in the same run on the same machine, wherever there is one: absolute times do not travel.
"""
