"""The lake's costs and its peers', side by side, on the same objects in one emulator of S3: bronze (loads.py), increments into silver (increments.py),
and what history costs (growth.py)."""
