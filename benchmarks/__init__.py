"""The measurements behind the figures in README.md.

Run each one in the project's folder with `python -m benchmarks.NAME`.
"""
