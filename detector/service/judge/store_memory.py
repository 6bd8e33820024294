"""What the stores of one process have in memory, bounded together.

A store of RocksDB would have a cache and write buffers of its own, and they fill however little state there is.
"""

from typing import Final

from rocksdict import BlockBasedIndexType, BlockBasedOptions, Cache, Options, WriteBufferManager

OPENING_BYTES: Final = 64 << 20  # most of it is stacks of threads: two that open files, three that stay
WRITING_BYTES: Final = 4 << 20
_DEFAULT: Final = 128 << 20
_MOST_BUFFERED: Final = 16 << 20  # of one store
_BITS_PER_KEY: Final = 10  # one key in a hundred that is not there is looked for
_MEMTABLE_FILTER: Final = 0.02  # of the write buffer: 16 bits for an entry of a hundred bytes


class StoreMemory:
    """At most `size` bytes for so many `stores`. Write buffers take up to half of it; blocks of files have the rest.

    Indexes and filters are such blocks. They are cut into pieces, so that those of a large state need not fit.
    """

    def __init__(self, size: int = _DEFAULT, stores: int = 1) -> None:
        self._cache = Cache(size)
        # The buffers count in the cache. A store writes its own to a file before they all come near this bound.
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(size, False, self._cache)
        self._buffer = min(size // 2 // stores, _MOST_BUFFERED)

    def bound(self, options: Options) -> None:
        """Has a store that is opened with these options share this memory."""
        options.set_write_buffer_size(self._buffer)
        options.set_write_buffer_manager(self._buffers)
        # Most aggregates that are looked for are new.
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(_MEMTABLE_FILTER)
        files = BlockBasedOptions()
        files.set_block_cache(self._cache)
        files.set_cache_index_and_filter_blocks(True)
        files.set_bloom_filter(_BITS_PER_KEY, block_based=False)
        files.set_index_type(BlockBasedIndexType.two_level_index_search())
        files.set_partition_filters(True)
        files.set_pin_top_level_index_and_filter(True)
        options.set_block_based_table_factory(files)

    @property
    def usage(self) -> dict[str, int]:
        """Bytes that are taken now, by what for."""
        buffers = self._buffers.get_usage()
        return {"write buffers": buffers, "blocks": max(self._cache.get_usage() - buffers, 0)}
