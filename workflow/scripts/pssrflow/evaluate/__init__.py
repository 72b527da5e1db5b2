"""Stage evaluate: predictions and their baselines against the truth."""
