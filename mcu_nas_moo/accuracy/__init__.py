"""Accuracy of subnets: supernet, labels and predictor; nothing here knows devices."""
