"""The lake's costs: bronze beside its peers on the same objects in one emulator of S3 (loads.py), and what ten billion events come to (scale.py)."""
