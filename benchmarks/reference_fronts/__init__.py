"""Reference fronts that the benchmark scores against, one JSON file per task."""
