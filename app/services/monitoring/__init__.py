"""Monitor readiness, drift, rate limits and model health, and collect metrics."""
