"""A Firehose of our own: from a Kinesis stream to gzipped objects in a bucket, as Amazon Data Firehose would.

Belongs here: reading shards, buffering hints, names, at-least-once delivery. Not here: what is in a record: bytes are joined as they
are. The emulators write an object a record, without buffering and gzip, and would hide what the lake must cope with.
"""
