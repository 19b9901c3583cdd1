"""A company in simulated time, on the pure code of scorer and router. `python -m tests.simulation.run`"""
