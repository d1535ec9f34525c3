"""What runs are scored against: fronts by enumeration, or pooled from long searches."""
