"""Run A/B experiments and evaluate them."""
