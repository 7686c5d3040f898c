"""What the lake costs."""
