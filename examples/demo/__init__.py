"""Life for an instance of its own: people who send images and speak up, a reviewer, a retrain."""
