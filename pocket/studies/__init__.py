"""Studies: each makes its numbers and stores them in data/runs."""
