"""Life for an instance of its own: people who send pictures and speak up, a reviewer, a retrain."""
