"""Queue images for review and record reviewers' labels."""
