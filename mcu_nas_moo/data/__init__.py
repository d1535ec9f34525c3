"""Images as training, calibration and firmware take them."""
