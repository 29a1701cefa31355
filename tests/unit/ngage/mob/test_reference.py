"""The reference page against what the code writes: every name, and no other."""

import argparse
import re
from pathlib import Path

import msgspec

from ngage.mob.arguments import build_parser
from ngage.mob.capacity import Capacity, Step
from ngage.mob.measure import results
from ngage.mob.measure.results import EXIT_CODES
from ngage.mob.show import exposition, wording

PAGE = (Path(__file__).parents[4] / "docs/reference/mobsim.md").read_text()


def first_cells(heading):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [row.split("|")[1].strip() for row in section.splitlines() if row.startswith("| `")]


def names(cells):
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_metric_is_on_the_page():
    metrics = {f"mobsim_{name}" for name, *_ in exposition.GAUGES.values()}
    metrics |= {f"mobsim_{name}_total" for name, _ in exposition.COUNTERS.values()}
    metrics |= {"mobsim_fans_wanted", "mobsim_closes_total"}
    metrics |= {"mobsim_latency_seconds", "mobsim_vote_seconds"}
    assert names(first_cells("Prometheus")) == metrics


def test_every_key_of_a_result_and_every_violation_is_on_the_page():
    keys = set()
    for field in msgspec.structs.fields(results.Result):
        inner = field.type
        spelled = field.encode_name in {"fans", "connect", "messages", "generator"}
        keys |= (
            {f"{field.encode_name}.{name}" for name in inner.__struct_fields__}
            if spelled
            else {field.encode_name}
        )
    assert names(first_cells("The result")) == keys | wording.INVARIANTS.keys()


def test_every_exit_code_is_on_the_page():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert {verdict: int(code) for code, verdict in rows} == EXIT_CODES


def test_every_flag_of_every_command_is_on_the_page():
    (commands,) = (
        action
        for action in build_parser("")._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    flags = {
        (command, flag)
        for command, parser in commands.choices.items()
        for action in parser._actions
        for flag in action.option_strings[-1:]
        # A report's own output stands in the table of commands
        if flag not in {"--help", "--output"} or (command, flag) == ("hunt", "--output")
    }
    rows = re.findall(r"^\| (`--[^|]*) \| ([a-z, ]+) \|", PAGE, re.MULTILINE)
    told = {
        (command, flag)
        for cell, users in rows
        for flag in re.findall(r"--[a-z-]+", cell)
        for command in users.split(", ")
    }
    assert told == flags


def test_every_key_of_a_capacity_is_on_the_page():
    keys = {*Capacity.__struct_fields__, *Step.__struct_fields__}
    section = PAGE.split("\n## Capacity\n")[1].split("\n## ")[0]
    assert keys <= names([section])
