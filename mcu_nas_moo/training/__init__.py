"""Training: supernets that share weights, and single subnets."""
