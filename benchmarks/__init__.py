"""What the product's figures rest on. Run from the project's folder, `python -m benchmarks.NAME`."""
