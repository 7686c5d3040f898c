"""Where what left may lie. Belongs here: readers, one a kind of place. Not here: what they look for (needles.py).

A source lists its items; an item is small, goes to another process, and yields its facets there: first its name, where it has
one, then its contents. A source also says how to plant controls, so that the very same reader must find them.
"""

from __future__ import annotations

from demo.leakscan.sources.base import Item, Source
from demo.leakscan.sources.files import FilesSource
from demo.leakscan.sources.queue import QueueSource
from demo.leakscan.sources.s3 import BucketSource
from demo.leakscan.sources.stream import StreamSource
from demo.leakscan.sources.tables import TablesSource

__all__ = ["BucketSource", "FilesSource", "Item", "QueueSource", "Source", "StreamSource", "TablesSource"]
