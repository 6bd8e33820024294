"""Compiles the loops over log bytes when the program is built, so that no start imports numba or waits for it.

The databases of the bundled patterns are kept beside them, so that no start waits for Hyperscan.

    python deploy/kernels/build.py [--here | LEVEL…]

A level is x86-64-v2, x86-64-v3 or x86-64-v4; on another machine its own name, such as aarch64. Each gives an extension
module in `detector/kernels/` (`detector/built_kernels.py` says when it is used). `--here` builds the best level of this
processor alone, unless it is there. A build needs a C compiler, and what curfewd needs.
"""

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
KERNELS: Final = ROOT / "detector" / "kernels"
SIGNATURES: Final = Path(__file__).with_name("signatures.txt")
X86: Final = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
WITHOUT_WRAPPERS: Final = ("no_cpython_wrapper", "no_cfunc_wrapper")  # ours call what numba compiled


def main(levels: list[str]) -> int:
    """Builds each level in a process of its own: numba compiles for one processor.

    Another build of the same tree waits.
    """
    with Path(__file__).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _built(levels)


def _built(levels: list[str]) -> int:
    if levels == ["--here"]:
        from detector.built_kernels import chosen, levels_here  # noqa: PLC0415 - a checkout's own

        levels = list(levels_here())[:1]
        if [chosen()[1]] == levels:
            return 0
    if shutil.which(_compiler()[0]) is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        print(
            f"{_compiler()[0]}: there is no C compiler, or no headers of Python; numba compiles at the first start",
            file=sys.stderr,
        )
        return 1
    shutil.rmtree(KERNELS, ignore_errors=True)  # what was built before is of other sources
    machine = os.uname().machine
    code = 0
    for level in levels or (X86 if machine == "x86_64" else (machine,)):
        processor = {"NUMBA_CPU_NAME": _processor(level), "NUMBA_CPU_FEATURES": "", "CURFEWD_JIT": "1"}
        code = code or _run(__file__, "--of", level, str(SIGNATURES), **processor)
    with tempfile.TemporaryDirectory() as folder:
        code = code or _run(str(Path(__file__).with_name("warm_up.py")), XDG_CACHE_HOME=folder)
        for database in Path(folder, "curfewd").glob("*.hs"):
            shutil.copyfile(database, KERNELS / database.name)
    return code


def _run(*command: str, **environ: str) -> int:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run([sys.executable, *command], env=environ, check=False).returncode  # noqa: S603 - our own


def build(level: str, signatures: Path, folder: Path) -> int:
    """Compiles the signatures in a file for one level, into a folder."""
    from signatures import read  # noqa: PLC0415 - numba reads the level when it is imported
    from wrappers import source_of  # noqa: PLC0415 - as above

    from detector.built_kernels import file_of, module_name, note_build  # noqa: PLC0415 - as above

    module = module_name(level)
    target = file_of(level, folder)
    compiled, objects = [], []
    with tempfile.TemporaryDirectory() as name_of_folder:
        parts = Path(name_of_folder)
        wanted = list(read(signatures))
        with ProcessPoolExecutor() as processes:  # one a core: numba compiles in one thread
            made = list(processes.map(_compiled, *zip(*wanted, strict=True), repeat(level)))
        for number, ((name, arguments), (done, code)) in enumerate(zip(wanted, made, strict=True)):
            if done is None:
                print(f"{name}: numba compiles it when it is called: no wrapper for {arguments}")
                continue
            compiled.append(done)
            objects.append(parts / f"{number}.o")
            objects[-1].write_bytes(code)
        source = parts / "kernels.c"
        source.write_text(source_of(module, compiled))
        folder.mkdir(exist_ok=True)
        linked = target.with_name(f".{os.getpid()}-{target.name}")
        try:
            _link(source, objects, linked)
            linked.replace(target)  # two linkers that write one file leave parts of both
        except (OSError, subprocess.CalledProcessError) as error:
            linked.unlink(missing_ok=True)
            print(f"{level}: {error}", file=sys.stderr)
            return 1
    note_build(level, folder)
    print(f"{target}: {len(compiled)} signatures, {target.stat().st_size:,} bytes")
    return 0


def _compiled(name: str, arguments: tuple[Any, ...], level: str) -> tuple[Any, bytes]:
    """What a wrapper must know of one signature, and its object code; (None, b"") if no wrapper can call it."""
    from llvmlite import binding  # noqa: PLC0415 - as above
    from numba.core.compiler import Flags, compile_extra  # noqa: PLC0415 - as above
    from numba.core.registry import cpu_target  # noqa: PLC0415 - as above
    from wrappers import Compiled, can_call  # noqa: PLC0415 - as above

    module, _, attribute = name.rpartition(".")
    dispatcher = getattr(__import__(module, fromlist=[attribute]), attribute).made
    new_flags: Any = Flags
    flags = new_flags()
    dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
    for each in WITHOUT_WRAPPERS:
        setattr(flags, each, True)
    contexts: Any = cpu_target
    compile_: Any = compile_extra
    done = compile_(
        contexts.typing_context, contexts.target_context, dispatcher.py_func, arguments, None, flags, {}
    )
    returns = done.signature.return_type
    if not can_call(arguments, returns):
        return None, b""
    code = getattr(done.library, "_final_module")  # noqa: B009 - numba gives optimised code no public name
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=_processor(level), opt=3, reloc="pic", codemodel="default"
    )
    return Compiled(name, done.fndesc.llvm_func_name, arguments, returns), machine.emit_object(code)


def _compiler() -> list[str]:
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()


def _processor(level: str) -> str:
    return level if level in X86 else "generic"


def _link(source: Path, objects: list[Path], target: Path) -> None:
    import numpy as np  # noqa: PLC0415 - as above

    includes = [f"-I{sysconfig.get_path('include')}", f"-I{np.get_include()}"]
    options = ["-shared", "-fPIC", "-O2", "-s"]
    sources = [str(source), str(Path(__file__).with_name("runtime.c"))]
    command = [*_compiler(), *options, *includes, *sources, *map(str, objects), "-lm", "-o", str(target)]
    subprocess.run(command, check=True)  # noqa: S603 - the C compiler of this Python
    ctypes.CDLL(str(target), os.RTLD_NOW)  # all that it calls is there


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        sys.exit(build(sys.argv[2], Path(sys.argv[3]), Path(*sys.argv[4:] or [str(KERNELS)])))
    sys.exit(main(sys.argv[1:]))
