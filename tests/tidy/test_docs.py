"""The documentation says what is: settings, flags, metrics, links, code that compiles."""

import argparse
import re
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from ngage import metrics
from ngage.centrifugo.codes import ErrorCode, UnsubscribeCode
from ngage.daemon import cli as edge
from ngage.errors import CloseCode
from ngage.settings import ChannelOptions, NamespaceOptions, Settings
from ngage.studio import cli as studio

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tuning/*.md")]
OPERATORS = ROOT / "docs/operators.md"
PARSERS = {"ngage-edge": edge._parser(), "ngage-studio": studio._parser()}
CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def row(option: Field[Any], *, marked: bool) -> str:
    """The line of a setting in the operators' guide."""
    default = option.default
    if isinstance(default, bool):
        default = str(default).lower()
    elif isinstance(default, float):
        default = f"{default:g}"
    elif isinstance(default, tuple):
        default = ", ".join(default)
    live = " ↻" if marked and option.metadata["live"] else ""
    kind, about = option.metadata["kind"], option.metadata["about"]
    return f"| `{option.name}`{live} | {default} | {kind} | {about} |"


def test_every_setting_is_in_the_operators_guide() -> None:
    written = set(OPERATORS.read_text().splitlines())
    settings = [row(f, marked=True) for f in fields(Settings) if "kind" in f.metadata]
    channel = [row(f, marked=False) for f in fields(ChannelOptions) if "kind" in f.metadata]
    namespace = [row(f, marked=False) for f in fields(NamespaceOptions) if "kind" in f.metadata]
    assert [line for line in settings + channel + namespace if line not in written] == []


def test_metrics_in_the_guide_exist() -> None:
    text = OPERATORS.read_text().partition("## Metrics")[2]
    named = {cell.partition(", by ")[0] for line in text.splitlines() for cell in cells(line)[:1]}
    counters = (ROOT / "src/ngage_core/counters.pxd").read_text()
    known = set(re.findall(r"^    uint64_t (\w+)", counters, re.MULTILINE)) - metrics.NAMED
    known |= {single.name for single in [*metrics.GAUGES.values(), *metrics.COUNTERS.values()]}
    known |= {split.name for split in metrics.SPLITS}
    known |= {"channels", "shard_connections", "shard_cpu_seconds", "reader_dropped_messages"}
    known |= {"video_delay_seconds"}
    known |= metrics.INTERACTION.keys() | metrics.INTERACTION_GAUGES.keys()
    names = {name.removesuffix("_total") for cell in named for name in re.findall(r"`(\w+)`", cell)}
    assert names - known == set()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def test_close_codes_in_the_protocol_are_all() -> None:
    raw = codes("raw-protocol.md", "## Close codes")
    # 1003 is for text or binary where only the other is spoken: both protocols take both.
    assert raw | codes("centrifugo.md", "## Disconnect codes") == set(CloseCode) - {1003}
    assert {code for code in CloseCode if code < 3000} - {1003} <= raw


def test_codes_of_the_json_protocol_are_all() -> None:
    assert codes("centrifugo.md", "## Error codes") >= set(ErrorCode) - {101, 113}
    assert codes("centrifugo.md", "## Unsubscribe codes") >= set(UnsubscribeCode)


def codes(page: str, heading: str) -> set[int]:
    """Numbers in the first column of the tables that follow a heading of a reference page."""
    text = (ROOT / "docs/reference" / page).read_text().partition(heading)[2]
    return {int(cell) for line in text.splitlines() for cell in cells(line)[:1] if cell.isdigit()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_compiles(page: Path) -> None:
    for language, code in CODE.findall(page.read_text()):
        if language == "python":
            compile(code, str(page), "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    """make targets and flags of our programs in code blocks and in the text."""
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = [code for _, code in CODE.findall(text)] + re.findall(r"`([^`\n]+)`", text)
    for command in commands:
        assert set(re.findall(r"^make ([a-z]+)", command, re.MULTILINE)) <= targets
        for program, parser in PARSERS.items():
            for arguments in re.findall(rf"{program} ([^\n&#`]*)", command):
                used = set(re.findall(r"(--[a-z][a-z-]*)", arguments))
                assert used <= known_flags(parser), command


def known_flags(parser: argparse.ArgumentParser) -> set[str]:
    return {flag for action in parser._actions for flag in action.option_strings}
