"""Tells which of 64 bytes are of a class, as the bits of one number: an instruction or two where registers are wide.

numba writes vectors only where LLVM sees that a loop may be one, and never as bits. So these few functions are written
in LLVM's own language, with numba's documented means for that (`numba.extending.intrinsic`).
"""

import functools
from collections.abc import Iterable
from typing import Any, Final

from detector.jit import Deferred

WORD: Final = 64  # bytes looked at together
_Range = tuple[int, int, int]


def mask_of(*ranges: _Range) -> Any:
    """A function of (array of bytes, place) for compiled loops: bit k says whether byte place + k is in a range.

    A range (first, count, ignored) holds a byte if it is one of `count` from `first` on, without the bits `ignored`;
    after 255 comes 0. All 64 bytes must be in the array.
    """
    return Deferred(functools.partial(_mask, ranges))


def plane(bit: int) -> Any:
    """The same: whether byte place + k has the bit of this value."""
    return Deferred(functools.partial(_mask, ((bit, 0, 255 ^ bit),)))


def class_of(members: Iterable[int]) -> Any:
    """A function of eight numbers, the planes of 64 bytes from the lowest bit on: which of these are members."""
    return Deferred(functools.partial(_class, frozenset(members)))


def _mask(ranges: tuple[_Range, ...]) -> Any:
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
                if count == 0:
                    one = builder.icmp_unsigned("!=", bytes_, each(0))
                elif count == 1:
                    one = builder.icmp_unsigned("==", bytes_, each(first))
                else:
                    if first:
                        bytes_ = builder.sub(bytes_, each(first))
                    one = builder.icmp_unsigned("<", bytes_, each(count))
                found = one if found is None else builder.or_(found, one)
            return builder.bitcast(found, ir.IntType(WORD))

        return types.uint64(data, types.intp), generate

    return mask


def _class(members: frozenset[int]) -> Any:
    from llvmlite import ir  # noqa: PLC0415 - as above
    from numba import types  # noqa: PLC0415 - as above
    from numba.extending import intrinsic  # noqa: PLC0415 - as above

    number = ir.IntType(WORD)

    def chosen(builder: Any, planes: Any, holds: tuple[bool, ...]) -> Any:
        """The function of some planes, the highest last, that holds for these of their numbers; None if for none."""
        if not any(holds):
            return None
        if all(holds):
            return ir.Constant(number, (1 << WORD) - 1)
        half = len(holds) // 2
        low, high = chosen(builder, planes[:-1], holds[:half]), chosen(builder, planes[:-1], holds[half:])
        if holds[:half] == holds[half:]:
            return low
        top = planes[-1]
        parts = [builder.and_(top, high)] if high is not None else []
        if low is not None:
            parts.append(builder.and_(builder.not_(top), low))
        return functools.reduce(builder.or_, parts)

    @intrinsic
    def members_of(  # noqa: PLR0913, PLR0917 - numba takes no tuple here
        typing_context: Any, b0: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any
    ) -> Any:
        del typing_context, b0, b1, b2, b3, b4, b5, b6, b7

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            del context, signature
            digits = [tuple(16 * high + low in members for low in range(16)) for high in range(16)]
            parts = []
            for holds in dict.fromkeys(digits):  # those first digits that go with the same second ones
                second = chosen(builder, arguments[:4], holds)
                if second is not None:
                    first = chosen(builder, arguments[4:], tuple(each == holds for each in digits))
                    parts.append(builder.and_(first, second))
            return functools.reduce(builder.or_, parts)

        return types.uint64(*[types.uint64] * 8), generate

    return members_of
