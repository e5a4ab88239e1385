"""Every figure that the documentation claims, measured: `python -m benchmarks`.

Each module here (but not in `harness`) has a function `run(settings)` that yields its figures. A figure is a ratio against a
baseline timed in the same run on the same machine, wherever there is one: absolute times do not travel.
"""
