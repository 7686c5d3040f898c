"""Measurements side by side in one run; ratios are what counts, since machines are shared and noisy."""
