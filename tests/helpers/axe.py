"""axe-core in a page under test."""

from pathlib import Path

import pytest

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
BAD = ("serious", "critical")


def findings(page) -> list[str]:
    """What axe holds against the page as it is, by day and by night, serious or worse: rule and
    element."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make setup")
    page.evaluate("(axe) => window.axe || eval(axe)", AXE.read_text())
    return [finding for scheme in ("light", "dark") for finding in _findings(page, scheme)]


def _findings(page, scheme: str) -> list[str]:
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(
        "(scheme) => document.documentElement.dataset.theme === scheme", arg=scheme
    )
    # What is fading in has no colour yet.
    found = page.evaluate(
        """async () => {
            for (const one of document.getAnimations()) {
                if (one.effect.getComputedTiming().endTime !== Infinity) one.finish();
            }
            return await axe.run(document, { resultTypes: ["violations"] });
        }"""
    )
    return [
        f"{violation['id']}: {node['html']}"
        for violation in found["violations"]
        if violation["impact"] in BAD
        for node in violation["nodes"]
    ]
