"""Predict digits in batches, store the predictions, and list and delete them."""
