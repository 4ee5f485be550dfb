"""Watch readiness, drift, rate limits and the models' health, and collect metrics."""
