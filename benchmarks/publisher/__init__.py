"""The publisher's costs and its peers', side by side: what capture costs a writer (writers.py), what the relay sends from a backlog beside
other ways to a stream (throughput.py), and how late an event is (latency.py). All against one stream of ours (stream.py)."""
