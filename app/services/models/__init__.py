"""Register, deploy and run models, and roll back those that turn out worse."""
