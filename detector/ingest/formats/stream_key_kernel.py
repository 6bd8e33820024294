"""The numbers of streams, by which they are told apart before anybody asks for their names.

One that a pod writes gets its number without the uid that its task may have (`detector.records.pod_names`): which of
them have one is not seen at once.
"""

# ruff: noqa: PLR2004 - bytes are written as their codes

from typing import Any, Final

import numpy as np

from detector.jit import bare
from detector.records.json_string_kernel import stands

BASIS: Final = np.uint64(14695981039346656037)
_PRIME: Final = np.uint64(1099511628211)
_PODS: Final = np.frombuffer(b"k8s/", np.uint8)
_SLASH: Final = 47


@bare
def hashed(data: Any, at: int, end: int, key: Any) -> Any:
    """FNV-1a of bytes, going on from `key`."""
    for place in range(at, end):
        key = (key ^ np.uint64(data[place])) * _PRIME
    return key


@bare
def _end(data: Any, task: int, size: int) -> int:
    """Where a task ends, or what counts of it: `k8s/namespace/name`."""
    end = task + size
    if size <= _PODS.size or not stands(data, task, _PODS):
        return end
    slashes = 0
    for place in range(task, end):
        if data[place] == _SLASH:
            slashes += 1
            if slashes == 3:
                return place
    return end


@bare
def _with_name(data: Any, stream: int, stream_size: int, key: Any) -> int:
    key = (key ^ np.uint64(256)) * _PRIME
    key = hashed(data, stream, stream + stream_size, key)
    return int(np.int64(key >> np.uint64(1)))


@bare
def stream_key(data: Any, task: int, task_size: int, stream: int, stream_size: int) -> int:
    """The number of a stream (FNV-1a of its task and its name)."""
    return _with_name(data, stream, stream_size, hashed(data, task, _end(data, task, task_size), BASIS))


@bare
def pod_key(  # noqa: PLR0913, PLR0917 - three places
    data: Any, namespace: int, namespace_size: int, name: int, name_size: int, stream: int, stream_size: int
) -> int:
    """The same of a pod's stream. Neither its namespace nor its name has a slash in it."""
    key = BASIS
    for place in range(_PODS.size):
        key = (key ^ np.uint64(_PODS[place])) * _PRIME
    key = hashed(data, namespace, namespace + namespace_size, key)
    key = (key ^ np.uint64(_SLASH)) * _PRIME
    key = hashed(data, name, name + name_size, key)
    return _with_name(data, stream, stream_size, key)
