"""The benchmark: references, runs, results, their analysis and a report."""
