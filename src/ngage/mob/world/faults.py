"""The faults of a scenario, each at its time: what is done, when it is undone, and what was told.

Faults may overlap. A proxy has the sum of the faults that are on, a stopped server goes on when the
last stop ends. Whatever happens, run() leaves every server continued and every proxy clean.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ngage.errors import ServerError
from ngage.mob.measure.results import Moment
from ngage.mob.model import Fault
from ngage.mob.world.proxy import CLEAN, Conditions, Proxy
from ngage.mob.world.servers import ServerProcess

Report = Callable[[Moment], None]


class Timeline:
    """Carries out faults. Times are time.monotonic(); tests bring a clock and a sleep of theirs."""

    def __init__(
        self,
        faults: Sequence[Fault],
        servers: Mapping[str, ServerProcess],
        proxies: Mapping[str, Proxy],
        report: Report,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._faults = faults
        self._servers = servers
        self._proxies = proxies
        self._report = report
        self._clock = clock
        self._sleep = sleep
        self._locks = {name: asyncio.Lock() for name in servers}
        self._start = 0.0
        self._on: list[Fault] = []
        self._last_end = float("-inf")

    async def run(self, start: float) -> None:
        """All faults, counted from `start`; ServerError if a server does not come back."""
        self._start = start
        try:
            async with asyncio.TaskGroup() as group:
                for fault in self._faults:
                    group.create_task(self._carry_out(fault))
        except* ServerError as errors:
            # Which of several is told makes no difference: each ends the run.
            raise errors.exceptions[0] from None
        finally:
            self._on = [fault for fault in self._on if fault.do == "kill"]
            self._last_end = self._clock()
            for server in self._servers.values():
                server.cont()
            for proxy in self._proxies.values():
                proxy.apply(CLEAN)

    def disturbed(self, grace: float = 0.0) -> bool:
        """Whether a fault is on now, or was within the last `grace` seconds.

        A server that was killed for good is a fault that stays on.
        """
        return bool(self._on) or self._clock() - self._last_end < grace

    async def _carry_out(self, fault: Fault) -> None:
        await self._sleep(max(0.0, self._start + fault.at - self._clock()))
        self._on.append(fault)
        self._tell(describe(fault))
        if fault.what in self._proxies:
            await self._hurt_proxy(fault, self._proxies[fault.what])
        else:
            await self._hurt_server(fault, self._servers[fault.what])

    async def _hurt_proxy(self, fault: Fault, proxy: Proxy) -> None:
        if fault.do == "reset":
            proxy.reset()
        proxy.apply(self._conditions(fault.what))
        await self._sleep(fault.duration)
        self._end(fault)
        proxy.apply(self._conditions(fault.what))
        if fault.duration:
            self._tell(f"{fault.do} of {fault.what} is over")

    async def _hurt_server(self, fault: Fault, server: ServerProcess) -> None:
        if fault.do == "stop":
            server.stop()
            await self._sleep(fault.duration)
            self._end(fault)
            if not any(on.do == "stop" and on.what == fault.what for on in self._on):
                server.cont()
            self._tell(f"{fault.what} goes on")
            return
        # A server is replaced by one fault at a time.
        async with self._locks[fault.what]:
            match fault.do:
                case "kill":
                    await server.kill()
                    if fault.restart_after is None:
                        return
                    await self._sleep(fault.restart_after)
                    await server.start()
                case "restart":
                    await server.restart()
                case "upgrade":
                    await server.upgrade()
        self._end(fault)
        self._tell(f"{fault.what} is back")

    def _conditions(self, name: str) -> Conditions:
        on = [fault for fault in self._on if fault.what == name]
        kinds = {fault.do for fault in on}
        return Conditions(
            delay=sum(fault.amount for fault in on if fault.do == "delay") / 1000,
            bytes_per_second=min(
                (fault.amount for fault in on if fault.do == "throttle"), default=0.0
            ),
            stall="stall" in kinds,
            blackhole="blackhole" in kinds,
            refuse="reset" in kinds,
        )

    def _end(self, fault: Fault) -> None:
        self._on.remove(fault)
        self._last_end = self._clock()

    def _tell(self, text: str) -> None:
        self._report(Moment(at=self._clock() - self._start, kind="fault", text=text))


def describe(fault: Fault) -> str:
    """The fault in a few words: `delay 200 ms on proxy for 5 s`."""
    unit = {"delay": f" {fault.amount:g} ms on", "throttle": f" {fault.amount:g} bytes/s on"}
    words = f"{fault.do}{unit.get(fault.do, '')} {fault.what}"
    if fault.duration:
        words += f" for {fault.duration:g} s"
    if fault.restart_after is not None:
        words += f", started again after {fault.restart_after:g} s"
    return words
