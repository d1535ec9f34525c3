"""From a search to a subnet that is taken to a device: studies, fronts and subnet files."""
