"""Run retrain jobs: claim, train in a child process, evaluate, deploy."""
