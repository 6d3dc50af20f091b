"""What serves at least two lessons."""
