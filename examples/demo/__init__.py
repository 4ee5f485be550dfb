"""A demo instance: simulated users who send images and feedback, a reviewer, and a retrain."""
