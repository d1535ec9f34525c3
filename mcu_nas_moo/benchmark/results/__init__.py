"""Results of many runs: read from folders, kept compactly, exported to other tools."""
