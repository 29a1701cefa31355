"""The backends that sending is tested with; where the kernel refuses one, its tests say why."""

import os

import pytest

from ngage_core import engine as core


def _parameter(name: str) -> object:
    refused = core.refusal(name)
    reason = f"the kernel refuses {name}: {os.strerror(refused)}"
    return pytest.param(name, marks=[pytest.mark.skip(reason=reason)] if refused else [])


BACKENDS = [_parameter(name) for name in core.backends()]
