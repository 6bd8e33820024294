"""Tells which of 64 bytes are of a class, as the bits of one number: an instruction or two where registers are wide.

numba writes vectors only where LLVM sees that a loop may be one, and never as bits. So these few functions are written
in LLVM's own language, with numba's documented means for that (`numba.extending.intrinsic`).
"""

import functools
from typing import Any, Final

from detector.jit import Deferred

WORD: Final = 64  # bytes looked at together
_Range = tuple[int, int, int]


def mask_of(*ranges: _Range) -> Any:
    """A function of (array of bytes, place) for compiled loops: bit k says whether byte place + k is in one of the ranges.

    A range (first, count, ignored) holds a byte if it is one of `count` from `first` on, without the bits `ignored`; after
    255 comes 0. All 64 bytes must be in the array.
    """
    return Deferred(functools.partial(_intrinsic, ranges))


def _intrinsic(ranges: tuple[_Range, ...]) -> Any:
    from llvmlite import ir  # noqa: PLC0415 - loads slowly
    from numba import types  # noqa: PLC0415 - as above
    from numba.extending import intrinsic  # noqa: PLC0415 - as above

    vector = ir.VectorType(ir.IntType(8), WORD)

    def each(value: int) -> Any:
        return ir.Constant(vector, [value] * WORD)

    @intrinsic
    def mask(typing_context: Any, data: Any, at: Any) -> Any:  # noqa: ARG001 - its type is given
        del typing_context

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            place = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
            text = builder.load(place, align=1)
            found = None
            for first, count, ignored in ranges:
                bytes_ = builder.and_(text, each(255 ^ ignored)) if ignored else text
                if count == 1:
                    one = builder.icmp_unsigned("==", bytes_, each(first))
                else:
                    if first:
                        bytes_ = builder.sub(bytes_, each(first))
                    one = builder.icmp_unsigned("<", bytes_, each(count))
                found = one if found is None else builder.or_(found, one)
            return builder.bitcast(found, ir.IntType(WORD))

        return types.uint64(data, types.intp), generate

    return mask
