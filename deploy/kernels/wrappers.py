"""Writes the C source of an extension module that calls kernels which numba has compiled.

Each kernel is one function. It takes exactly what numba's own dispatcher would take for one of the signatures that were
compiled, and answers NotImplemented to anything else.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from numba import types

_HEAD: Final = r"""
#define PY_SSIZE_T_CLEAN
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

static int is_array(PyObject *it, int type, int dimensions, int writeable) {
    if (!PyArray_CheckExact(it)) return 0;
    PyArrayObject *array = (PyArrayObject *)it;
    int flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED | (writeable ? NPY_ARRAY_WRITEABLE : 0);
    return PyArray_TYPE(array) == type && PyArray_NDIM(array) == dimensions && PyArray_CHKFLAGS(array, flags) &&
        PyArray_ISNOTSWAPPED(array);
}
static int is_int64(PyObject *it, int64_t *value) {
    if (PyArray_IsScalar(it, Int64)) { *value = PyArrayScalar_VAL(it, Int64); return 1; }
    if (!PyLong_CheckExact(it)) return 0;
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(it, &overflow);
    return !overflow;
}
static int is_bool(PyObject *it, int8_t *value) {
    if (PyArray_IsScalar(it, Bool)) { *value = PyArrayScalar_VAL(it, Bool); return 1; }
    *value = it == Py_True;
    return PyBool_Check(it);
}
static int is_float64(PyObject *it, double *value) {
    if (PyArray_IsScalar(it, Double)) { *value = PyArrayScalar_VAL(it, Double); return 1; }
    if (!PyFloat_CheckExact(it)) return 0;
    *value = PyFloat_AS_DOUBLE(it);
    return 1;
}
static PyObject *failed(const char *name, int status) {
    PyErr_Format(PyExc_RuntimeError, "%s failed with status %d", name, status);
    return NULL;
}
"""
_TAIL: Final = """
static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{
    import_array();
    return PyModule_Create(&definition);
}}
"""
_ARRAYS: Final = {
    types.int8: "NPY_INT8", types.uint8: "NPY_UINT8", types.int32: "NPY_INT32", types.uint32: "NPY_UINT32", types.int64: "NPY_INT64",
    types.uint64: "NPY_UINT64", types.boolean: "NPY_BOOL", types.uint16: "NPY_UINT16", types.float64: "NPY_FLOAT64",
}  # fmt: skip
_SCALARS: Final = {types.uint8: "UInt8", types.uint32: "UInt32", types.uint64: "UInt64", types.int32: "Int32"}
# What a kernel returns: its C type, and what makes a Python object of it.
_RESULTS: Final = {
    types.int64: ("int64_t", "PyLong_FromLongLong"), types.uint64: ("uint64_t", "PyLong_FromUnsignedLongLong"),
    types.int32: ("int32_t", "PyLong_FromLong"), types.uint32: ("uint32_t", "PyLong_FromUnsignedLong"),
    types.uint8: ("uint8_t", "PyLong_FromLong"), types.boolean: ("int8_t", "PyBool_FromLong"),
    types.float64: ("double", "PyFloat_FromDouble"), types.none: ("void *", ""),
}  # fmt: skip


class Compiled(msgspec.Struct, frozen=True):
    """One signature of a kernel, and the symbol under which it was compiled."""

    kernel: str
    symbol: str
    arguments: tuple[Any, ...]
    returns: Any


def can_call(arguments: Sequence[Any], returns: Any) -> bool:
    """Whether there is a way to pass these, and to give back that."""
    if not all(map(_is_known, arguments)):
        return False
    results = returns.types if isinstance(returns, types.Tuple | types.UniTuple) else (returns,)
    return all(each in _RESULTS for each in results)


def _is_known(type_: Any) -> bool:
    if isinstance(type_, types.Tuple | types.UniTuple):
        return all(map(_is_known, type_.types))
    if isinstance(type_, types.Array):
        return type_.layout == "C" and type_.aligned and type_.dtype in _ARRAYS
    return type_ in _SCALARS or type_ in {types.int64, types.boolean, types.float64}


def source_of(name: str, compiled: Sequence[Compiled]) -> str:
    """The C source of a module of that name."""
    by_kernel: dict[str, list[Compiled]] = {}
    for each in compiled:
        by_kernel.setdefault(each.kernel, []).append(each)
    functions = [line for item in by_kernel.items() for line in _function(*item)]
    table = [
        f'    {{"{kernel}", (PyCFunction)(void (*)(void)){_c_name(kernel)}, METH_FASTCALL, NULL}},'
        for kernel in by_kernel
    ]
    methods = ["static PyMethodDef methods[] = {", *table, "    {NULL}", "};"]
    return "\n".join([_HEAD, *functions, *methods, _TAIL.format(name=name)])


def _c_name(kernel: str) -> str:
    return f"call_{kernel.replace('.', '_')}"


def _function(kernel: str, compiled: Sequence[Compiled]) -> Iterator[str]:
    for number, each in enumerate(compiled):
        name, parameters = f"{_c_name(kernel)}_{number}", ", ".join(_parameters(each.arguments))
        yield f"typedef {_result(each.returns)} {name}_result;"
        yield f'extern int {name}({", ".join([f"{name}_result *", "void **", parameters])}) __asm__("{each.symbol}");'
    yield f"static PyObject *{_c_name(kernel)}(PyObject *module, PyObject *const *args, Py_ssize_t count) {{"
    yield "    (void)module;"
    for number, each in enumerate(compiled):
        yield from _attempt(kernel, number, each)
    yield "    Py_RETURN_NOTIMPLEMENTED;"
    yield "}"


def _attempt(kernel: str, number: int, each: Compiled) -> Iterator[str]:
    """Calls the kernel if the arguments are of this signature."""
    yield "    do {"
    yield f"        if (count != {len(each.arguments)}) break;"
    values = []
    for place, type_ in enumerate(each.arguments):
        lines, passed = _unpacked(f"args[{place}]", f"a{place}", type_)
        yield from (f"        {line}" for line in lines)
        values += passed
    yield f"        {_c_name(kernel)}_{number}_result result;"
    yield "        memset(&result, 0, sizeof result);"
    yield "        void *error = NULL;"
    yield "        int status;"
    yield "        Py_BEGIN_ALLOW_THREADS"
    yield f"        status = {_c_name(kernel)}_{number}({', '.join(['&result', '&error', *values])});"
    yield "        Py_END_ALLOW_THREADS"
    yield f'        if (status != 0 && status != -2) return failed("{kernel}", status);'  # -2: it returns None
    yield f"        return {_boxed(each.returns)};"
    yield "    } while (0);"


def _parameters(arguments: Sequence[Any]) -> Iterator[str]:
    for type_ in arguments:
        if isinstance(type_, types.Tuple | types.UniTuple):
            yield from _parameters(type_.types)
        elif isinstance(type_, types.Array):
            yield from ("void *", "void *", "int64_t", "int64_t", "void *", *["int64_t"] * (2 * type_.ndim))
        elif type_ == types.int64:
            yield "int64_t"
        else:
            yield _RESULTS[type_][0]


def _unpacked(source: str, name: str, type_: Any) -> tuple[list[str], list[str]]:
    """Lines that leave the block if the argument is of another type, and what is passed to the kernel."""
    if isinstance(type_, types.Tuple | types.UniTuple):
        lines = [
            f"if (!PyTuple_CheckExact({source}) || PyTuple_GET_SIZE({source}) != {len(type_.types)}) break;"
        ]
        passed: list[str] = []
        for place, each in enumerate(type_.types):
            more, values = _unpacked(f"PyTuple_GET_ITEM({source}, {place})", f"{name}_{place}", each)
            lines, passed = lines + more, passed + values
        return lines, passed
    if isinstance(type_, types.Array):
        test = f"is_array({source}, {_ARRAYS[type_.dtype]}, {type_.ndim}, {int(type_.mutable)})"
        array = f"PyArrayObject *{name} = (PyArrayObject *){source};"
        shape = [f"PyArray_DIM({name}, {axis})" for axis in range(type_.ndim)]
        strides = [f"PyArray_STRIDE({name}, {axis})" for axis in range(type_.ndim)]
        sizes = [f"PyArray_SIZE({name})", f"PyArray_ITEMSIZE({name})", f"PyArray_DATA({name})"]
        return [f"if (!{test}) break;", array], ["NULL", "NULL", *sizes, *shape, *strides]
    if type_ in _SCALARS:
        scalar = _SCALARS[type_]
        return [f"if (!PyArray_IsScalar({source}, {scalar})) break;"], [
            f"PyArrayScalar_VAL({source}, {scalar})"
        ]
    c_type = _RESULTS[type_][0]
    kind = {types.int64: "int64", types.boolean: "bool", types.float64: "float64"}[type_]
    return [f"{c_type} {name};", f"if (!is_{kind}({source}, &{name})) break;"], [name]


def _result(type_: Any) -> str:
    if isinstance(type_, types.Tuple | types.UniTuple):
        return (
            "struct { " + " ".join(f"{_RESULTS[each][0]} f{n};" for n, each in enumerate(type_.types)) + " }"
        )
    return _RESULTS[type_][0]


def _boxed(type_: Any) -> str:
    if type_ == types.none:
        return "Py_NewRef(Py_None)"
    if isinstance(type_, types.Tuple | types.UniTuple):
        parts = [f"{_RESULTS[each][1]}(result.f{n})" for n, each in enumerate(type_.types)]
        return f'Py_BuildValue("({"N" * len(parts)})", {", ".join(parts)})'
    return f"{_RESULTS[type_][1]}(result)"
