"""parts.pyx, compiled when a bench first asks for it, with the core's own flags of a release."""

from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from Cython.Build import cythonize
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench"


@cache
def parts() -> ModuleType:
    extension = Extension(
        "parts",
        [str(HERE / "parts.pyx")],
        include_dirs=[str(ROOT / "src/ngage_core/include")],
        depends=[str(path) for path in (ROOT / "src/ngage_core").glob("*.pxd")],
        libraries=["z"],
        extra_compile_args=["-O2", "-DNDEBUG"],
        define_macros=[("_GNU_SOURCE", "1"), ("ZLIB_CONST", "1")],
    )
    modules = cythonize(
        [extension],
        build_dir=str(BUILD),
        include_path=[str(ROOT / "src")],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
        },
        quiet=True,
    )
    command = build_ext(Distribution({"ext_modules": modules}))
    command.build_lib = command.build_temp = str(BUILD)
    command.ensure_finalized()
    command.run()
    spec = spec_from_file_location("parts", command.get_ext_fullpath("parts"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
