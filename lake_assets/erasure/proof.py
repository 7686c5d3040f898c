"""The proof: every physical file of lake and landing bucket, decoded, searched for the codes that went.

Belongs here: reading a file of any kind, the search, its controls. Not here: listing (files.py, objects.py), what is done about a hit (run.py).

A search that finds nothing proves nothing unless it would find something. So it is given controls: values of its own planted in a file of each kind, and,
before anything goes, files in which bronze says that the codes are. One that is missed fails the erasure.
"""

from __future__ import annotations

import gzip
import io
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from lake_assets.erasure.bodies import unpack
from lake_assets.erasure.codes import Codes, person_digest
from lake_assets.erasure.files import LakeFile, LakeFiles
from lake_assets.erasure.objects import text_of, texts
from resources.errors import ResourceError
from resources.landing import Landing

THREADS = 2
CODE_LENGTH = 32


class SearchIsBlind(ResourceError):
    """The search did not find what is known to be there."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"The search for erased codes missed a control in {kind}: it proves nothing, and nothing was counted as erased."
        )


@dataclass
class Searched:
    """What was read, and where something was found: hits by table or kind of object, never which code."""

    files: int = 0
    bytes: int = 0
    hits: Counter[str] = field(default_factory=Counter)


def search(files: LakeFiles, landing: Landing, codes: Codes) -> Searched:
    """Reads everything. Raises SearchIsBlind."""
    check_controls()
    done = Searched()

    def in_lake(file: LakeFile) -> tuple[str, int, bool]:
        place = "/".join(file.name.split("/")[:2])
        return place, file.size, names_codes(file.name.partition("#")[0], files.read(file) or b"", codes)

    def in_landing(each: tuple[str, str | None, int]) -> tuple[str, int, bool]:
        key, version, size = each
        place = key.removeprefix(landing.prefix).split("/")[0]
        return place, size, bool(codes.in_bytes(text_of(landing, key, version) or b""))

    with ThreadPoolExecutor(THREADS) as pool:
        for place, size, hit in chain(pool.map(in_lake, files.list()), pool.map(in_landing, texts(landing))):
            done.files += 1
            done.bytes += size
            done.hits.update({place: 1} if hit else {})
    return done


def check_seen(kind: str, bodies: Iterable[tuple[str, bytes]], codes: Codes) -> None:
    """Raises SearchIsBlind unless the search finds the codes in files that are known to hold them."""
    if not all(names_codes(name, body, codes) for name, body in bodies):
        raise SearchIsBlind(kind)


def check_controls() -> None:
    """Plants a code in a file of each kind, and looks for it both as a code and by its digest. Raises SearchIsBlind."""
    code = secrets.token_hex(16)
    table = pa.table({"_key": [None, "x", code], "names": [[], ["a"], ["b"]]})
    nested = pa.table({"add": [{"path": "p", "tags": [code]}]})
    planted = {
        "a.parquet": _parquet(table, dictionary=True),
        "plain.parquet": _parquet(table, dictionary=False),
        "nested.parquet": _parquet(nested, dictionary=True),
        "log.json": f'{{"commitInfo":{{"x":"{code}"}}}}'.encode(),
        "raw.gz": gzip.compress(f'{{"key":"{code}"}}\\n'.encode()),
    }
    for wanted in (Codes({code: 1}), Codes({}, {person_digest(code): 1})):
        for name, body in planted.items():
            if not names_codes(name, body, wanted):
                raise SearchIsBlind(f"a planted file ({name.partition('.')[2]})")


def names_codes(name: str, body: bytes, codes: Codes) -> bool:
    """Whether a file of the lake holds one of the codes, decoded by its kind."""
    if name.endswith(".parquet"):
        return _in_parquet(body, codes)
    return bool(codes.in_bytes(unpack(name, body).text))


def _in_parquet(body: bytes, codes: Codes) -> bool:
    """Column by column and row group by row group, whatever form their pages have. Footers hold no more than the columns."""
    file = pq.ParquetFile(io.BytesIO(body))
    known = pa.array(sorted(codes.known), pa.string())
    for group in range(file.num_row_groups):
        for column in file.read_row_group(group, use_threads=False).itercolumns():
            for chunk in column.chunks:
                for texts_ in _strings(chunk):
                    if _in_strings(texts_, known, codes):
                        return True
    return False


def _strings(array: pa.Array) -> Iterator[pa.Array]:
    """All arrays of text within an array of any type."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _strings(array.dictionary_decode())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        yield array
    elif pa.types.is_struct(kind):
        for part in array.flatten():
            yield from _strings(part)
    elif pa.types.is_map(kind):
        yield from _strings(array.keys)
        yield from _strings(array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _strings(array.flatten())


def _in_strings(array: pa.Array, known: pa.Array, codes: Codes) -> bool:
    if pa.types.is_binary(array.type):
        return any(codes.in_bytes(value) for value in array.to_pylist() if value)
    is_code = pc.fill_null(pc.equal(pc.utf8_length(array), CODE_LENGTH), False)
    alone = array.filter(is_code)
    if len(known) and pc.any(pc.is_in(alone, value_set=known.cast(alone.type))).as_py():
        return True
    if (codes.persons or codes.rows) and codes.among(pc.unique(alone).to_pylist()):
        return True
    rest = pc.unique(array.filter(pc.invert(is_code)))
    longer = rest.filter(pc.fill_null(pc.greater(pc.utf8_length(rest), CODE_LENGTH), False))
    return any(codes.in_bytes(value.encode()) for value in longer.to_pylist())


def _parquet(table: pa.Table, *, dictionary: bool) -> bytes:
    body = io.BytesIO()
    pq.write_table(table, body, use_dictionary=dictionary)
    return body.getvalue()
