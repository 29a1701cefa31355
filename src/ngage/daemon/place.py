"""Where a daemon keeps things: the directory of the settings, or one of the demonstration's own.

That is new, handed over in an upgrade, and removed when the last process that has it ends.
"""

import secrets
import shutil
import tempfile
from types import TracebackType
from typing import Self

from ngage.interaction.data import Data, prepare
from ngage.keys import SECRET_BYTES, read_secret
from ngage.settings import Settings


class Place:
    """A context manager that removes a directory of its own, as long as it `owns` it.

    data: what is where, None for nowhere. secret: what tickets and host keys are signed with.
    own: the directory that is not the settings', empty for none. inherited: a predecessor's, which
    owns it until this process is ready. Raises StartError.
    """

    data: Data | None = None
    secret: bytes

    def __init__(self, settings: Settings, inherited: str = "") -> None:
        self._settings = settings
        self.own = inherited
        self.owns = False

    def __enter__(self) -> Self:
        settings = self._settings
        if settings.demo and not settings.data and not self.own:
            self.own = tempfile.mkdtemp(prefix="ngage-demo-")
            self.owns = True
        directory = settings.data or self.own
        if directory:
            self.data = prepare(directory)
            self.secret = read_secret(settings.secret, self.data.secret)
        else:
            self.secret = bytes.fromhex(settings.secret) or secrets.token_bytes(SECRET_BYTES)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.own and self.owns:
            shutil.rmtree(self.own, ignore_errors=True)
