"""Tests of the search for leaks, without the cloud."""
