"""The lake's transformations: DataFrames in, DataFrames out. No Dagster, no reading, no writing."""
