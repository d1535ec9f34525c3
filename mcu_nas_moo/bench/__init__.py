"""The benchmark: runs, histories, references, indicators, statistics and a report."""
