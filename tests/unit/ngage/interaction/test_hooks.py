"""Hooks decide; those that fail, are late or talk nonsense mean what the setting says."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

from ngage.errors import RefusalCode, RefusedError, SettingsError
from ngage.interaction import hooks as module
from ngage.interaction.hooks import ChatLine, Command, Connection, Hooks, Refuse, Vote
from ngage.settings import Settings

LINE = ChatLine("asha", 1, "show", "Asha", "my cat")
CONNECTION = Connection("asha", 1, "192.0.2.1")
VOTE = Vote("asha", 1, "show", 7, (0,))
COMMAND = Command("asha", 1, "chat.send", '{"text": "hi"}')
PAGE = Path(__file__).parents[4] / "docs/reference/hooks.md"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where modules are found for the time of a test."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(module.importlib.sys.modules)
    yield tmp_path
    for name in set(module.importlib.sys.modules) - known:
        del module.importlib.sys.modules[name]


async def reason(asked: object) -> str:
    """Why something was refused."""
    with pytest.raises(RefusedError) as refusal:
        await asked  # type: ignore[misc]
    assert refusal.value.code == RefusalCode.REJECTED
    return str(refusal.value)


async def of(ask: Callable[[Any], Any], about: object) -> Any:
    """What is answered at once or later."""
    answer = ask(about)
    return await answer if isawaitable(answer) else answer


def says(answer: object) -> Hooks:
    """Hooks that answer that to everything."""
    hooks = Hooks()
    for add in (hooks.on_connect, hooks.on_message, hooks.on_vote, hooks.on_chat):
        add(lambda about: answer)
    return hooks


async def test_without_hooks_all_is_allowed() -> None:
    hooks = Hooks()
    await of(hooks.connect, CONNECTION)
    await hooks.vote(VOTE)
    assert await hooks.chat(LINE) == "my cat"
    assert await of(hooks.message, COMMAND) == COMMAND.data
    assert not hooks.has("on_chat")


@pytest.mark.parametrize("answer", [None, True])
async def test_allowed(answer: object) -> None:
    hooks = says(answer)
    await of(hooks.connect, CONNECTION)
    await hooks.vote(VOTE)
    assert await hooks.chat(LINE) == "my cat"
    assert await of(hooks.message, COMMAND) == COMMAND.data
    assert hooks.has("on_vote")
    assert hooks.counts["on_vote", "allowed"] == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [(False, "not allowed"), (Refuse(), "not allowed"), (Refuse("members only"), "members only")],
)
async def test_refused(answer: object, message: str) -> None:
    hooks = says(answer)
    asked = [
        *(of(hooks.connect, CONNECTION), of(hooks.message, COMMAND)),
        *(hooks.vote(VOTE), hooks.chat(LINE)),
    ]
    assert [await reason(one) for one in asked] == [message] * 4
    assert hooks.counts["on_connect", "refused"] == 1


async def test_text_is_put_in_the_place_of_what_was_said() -> None:
    hooks = says("{}")
    assert await hooks.chat(LINE) == "{}"
    assert await of(hooks.message, COMMAND) == "{}"
    assert hooks.counts["on_chat", "replaced"] == 1


async def test_several_are_asked_in_order_until_one_refuses() -> None:
    hooks = Hooks()
    hooks.on_chat(lambda line: line.text.upper())

    @hooks.on_chat
    async def shout(line: ChatLine) -> str:
        return line.text + "!"

    assert await hooks.chat(LINE) == "MY CAT!"
    hooks.on_chat(lambda line: Refuse(line.text))
    hooks.on_chat(lambda line: pytest.fail("not asked"))
    assert await reason(hooks.chat(LINE)) == "MY CAT!"


def raises(about: object) -> None:
    raise KeyError("oops")


async def raises_later(about: object) -> None:
    raises(about)


async def never(about: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("hook", "outcome"),
    [
        (raises, "failed"),
        (raises_later, "failed"),
        (never, "late"),
        (lambda line: 3, "failed"),
        (lambda line: [], "failed"),
    ],
)
async def test_a_failure_means_what_the_setting_says(hook: object, outcome: str) -> None:
    hooks = Hooks(timeout_seconds=0.01)
    hooks.on_chat(hook)  # type: ignore[arg-type]
    assert await hooks.chat(LINE) == "my cat"
    hooks.on_error = "refuse"
    assert await reason(hooks.chat(LINE)) == "not allowed"
    assert hooks.counts == {("on_chat", outcome): 2}


async def test_text_is_a_failure_where_nothing_can_be_replaced() -> None:
    hooks = says("yes")
    await of(hooks.connect, CONNECTION)
    await hooks.vote(VOTE)
    assert hooks.counts == {("on_connect", "failed"): 1, ("on_vote", "failed"): 1}


async def test_a_failure_is_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks()
    hooks.on_chat(raises)
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            await hooks.chat(LINE)
    assert [record.getMessage() for record in caplog.records] == ["on_chat raised"]
    assert "oops" in caplog.text


async def test_who_is_not_async_answers_at_once() -> None:
    hooks = Hooks()
    assert hooks.connect(CONNECTION) is None
    hooks.on_message(lambda command: command.data + "!")
    assert hooks.message(COMMAND) == COMMAND.data + "!"

    @hooks.on_message
    async def later(command: Command) -> str:
        await asyncio.sleep(0)
        return command.data + "?"

    hooks.on_message(lambda command: command.data + ".")
    answer = hooks.message(COMMAND)
    assert not isinstance(answer, str)
    assert await answer == COMMAND.data + "!?."


async def test_calls_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOOKS_PENDING_MAX", 2)
    release = asyncio.Event()
    hooks = Hooks(on_error="refuse", timeout_seconds=60)

    @hooks.on_chat
    async def wait(line: ChatLine) -> None:
        await release.wait()

    waiting = [asyncio.create_task(hooks.chat(LINE)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await reason(hooks.chat(LINE)) == "not allowed"
    release.set()
    assert await asyncio.gather(*waiting) == ["my cat", "my cat"]
    assert await hooks.chat(LINE) == "my cat"


async def test_who_asks_may_be_cancelled() -> None:
    hooks = Hooks(on_error="allow", timeout_seconds=60)
    hooks.on_chat(never)
    asked = asyncio.create_task(hooks.chat(LINE))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


# Modules


async def test_the_example_of_the_documentation(directory: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (directory / "house_rules.py").write_text(code[0])
    hooks = Hooks.of(Settings(hooks="house_rules", hooks_on_error="refuse"))
    assert (hooks.on_error, hooks.timeout_seconds) == ("refuse", 0.2)
    await of(hooks.connect, CONNECTION)
    assert await reason(of(hooks.connect, Connection("x", 2, "203.0.113.7"))) == "not allowed"
    assert await hooks.chat(LINE) == "my dog"
    await hooks.vote(VOTE)
    assert await reason(hooks.vote(Vote("anon-1", 2, "show", 7, (0,)))) == "members only"
    assert await of(hooks.message, COMMAND) == COMMAND.data
    assert await reason(of(hooks.message, Command("x", 2, "lobby:secret", "{}"))) == "not here"


async def test_the_example_with_decorators() -> None:
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(code[1], names)
    hooks = names["hooks"]
    assert isinstance(hooks, Hooks)
    assert await hooks.chat(LINE) == "my cat"
    link = ChatLine("asha", 1, "show", "Asha", "see https://example.org")
    assert await reason(hooks.chat(link)) == "no links"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "it has none of on_connect, on_message, on_vote, on_chat"),
        ("on_chat = 3", "on_chat is no function"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError"),
    ],
)
def test_a_module_without_hooks_is_a_wrong_setting(
    directory: Path, source: str, message: str
) -> None:
    (directory / "wrong_rules.py").write_text(source)
    with pytest.raises(SettingsError, match=f"hooks = 'wrong_rules': {message}"):
        Hooks().load("wrong_rules")


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match="No module named 'no_such_rules'"):
        Hooks().load("no_such_rules")
