"""Tests of the search for leaks, in the real places."""
