"""Build of the Cython core. NGAGE_BUILD picks the flavour, NGAGE_WERROR=1 makes warnings fatal.

Everything else about the package stands in pyproject.toml.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = Path("src/ngage_core")
WARNINGS = ["-Wall", "-Wextra"]
SANITIZE = "-fsanitize=address,undefined"
FLAVOURS = {
    "release": (["-O2", "-g1", "-DNDEBUG"], []),
    "debug": (["-O0", "-g3", "-UNDEBUG"], []),
    "asan": (
        ["-O1", "-g", "-UNDEBUG", "-fno-omit-frame-pointer", SANITIZE, "-fno-sanitize-recover"],
        [SANITIZE],
    ),
}

flavour = os.environ.get("NGAGE_BUILD", "release")
if flavour not in FLAVOURS:
    raise SystemExit(f"NGAGE_BUILD={flavour}: choose one of {', '.join(FLAVOURS)}")
compile_args, link_args = FLAVOURS[flavour]
fatal = ["-Werror"] if os.environ.get("NGAGE_WERROR") == "1" else []
# Every .pxd is inlined into the modules that cimport it, so a change in any rebuilds all.
depends = [str(p) for p in sorted(CORE.glob("*.pxd")) + sorted(CORE.glob("include/*.h"))]

extensions = [
    Extension(
        f"ngage_core.{source.stem}",
        [str(source)],
        include_dirs=[str(CORE / "include")],
        depends=depends,
        libraries=["z"],
        extra_compile_args=[*compile_args, *WARNINGS, *fatal, "-fvisibility=hidden"],
        extra_link_args=link_args,
        define_macros=[("_GNU_SOURCE", "1"), ("ZLIB_CONST", "1")],
    )
    for source in sorted(CORE.glob("*.pyx"))
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir=f"build/cython-{flavour}",
        compiler_directives={
            "language_level": 3,
            "boundscheck": flavour != "release",
            "wraparound": False,
            "initializedcheck": flavour != "release",
            "cdivision": True,
            "auto_pickle": False,
            "embedsignature": True,
        },
    )
)
