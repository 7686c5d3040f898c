"""Pushes from inside the platform what a release contract allows."""
