"""Answer plain predictions ahead of Flask, and fall back to it for everything else."""
