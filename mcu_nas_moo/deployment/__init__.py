"""From a chosen subnet to verified firmware on a chip."""
