"""Whether this host lets a bench have a network of its own and raise the kernel's limits."""

import os
import subprocess

from bench.scale.host import SYSCTLS, minima


def refusal(fans: int) -> str:
    """Why there can be no run of so many fans here; "" if there can."""
    if os.geteuid() != 0:
        return "a network namespace and the kernel's limits need root"
    made = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no network namespace: {made.stderr.strip()}"
    files = [SYSCTLS / name for name in minima(fans, 0)]
    fixed = [str(file) for file in files if not os.access(file, os.W_OK)]
    return f"cannot write {', '.join(fixed)}" if fixed else ""
