"""What tells the figures of networks: predictors of accuracy and costs."""
