"""Build of the Cython core. NGAGE_BUILD picks the flavour, NGAGE_WERROR=1 makes warnings fatal.

NGAGE_PLANT=drop|swap plants a bug that `mobsim hunt` must find (include/ng_plant.h), in an engine
that is for nothing else. Everything else about the package stands in pyproject.toml.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = Path("src/ngage_core")
PROCESSORS = len(os.sched_getaffinity(0))
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
planted = os.environ.get("NGAGE_PLANT", "")
if planted not in ("", "drop", "swap"):
    raise SystemExit(f"NGAGE_PLANT={planted}: choose one of drop, swap")
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
        define_macros=[
            ("_GNU_SOURCE", "1"),
            ("ZLIB_CONST", "1"),
            *([(f"NGAGE_PLANT_{planted.upper()}", "1")] if planted else []),
        ],
    )
    for source in sorted(CORE.glob("*.pyx"))
    if not (planted and source.stem.startswith("swarm"))  # the crowd is no part of an edge
]

# Cython's workers import this file where processes are not forked.
if __name__ == "__main__":
    setup(
        ext_modules=cythonize(
            extensions,
            # A planted bug is a macro of the C compiler: the C itself is that of the release.
            build_dir=f"build/cython-{flavour}",
            nthreads=PROCESSORS,
            compiler_directives={
                "language_level": 3,
                "boundscheck": flavour != "release",
                "wraparound": False,
                "initializedcheck": flavour != "release",
                "cdivision": True,
                "auto_pickle": False,
                "embedsignature": True,
            },
        ),
        options={"build_ext": {"parallel": PROCESSORS}},
    )
