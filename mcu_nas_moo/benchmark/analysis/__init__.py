"""What runs are worth: indicators of their archives, and statistics over repeated runs."""
