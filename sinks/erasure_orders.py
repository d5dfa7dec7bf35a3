"""What people have ordered about the data of a shard, as its writer obeys it: sessions that are erased or held."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from schemas.notices import Notices
from schemas.pack import key_hash
from sinks.notices import NoticeBoard


class ErasureOrders:
    """Of one writer. `board`: None when nobody can order anything. `reply_as`: (shard, incarnation) of the writer to
    acknowledge notices as, because commands wait for it; None: no command waits.
    """

    def __init__(self, board: NoticeBoard | None = None, reply_as: tuple[str, str] | None = None) -> None:
        self._board = board
        self._reply_as = reply_as
        self._acknowledged: list[str] = []  # names of notices
        self._found: set[int] = set()  # `key_hash` of sessions that were found to be of an erased person
        self._notices = board.look(at_once=True) if board else Notices()

    def refresh(self) -> bool:
        """Read the board, as of which `acknowledge` speaks; whether there is something new on it."""
        if self._board is None:
            return False
        self._notices = self._board.look()
        return self._board.names != self._acknowledged

    def acknowledge(self) -> None:
        """Tell the commands that wait that nothing they forbid will be written from here on."""
        assert self._board is not None
        self._acknowledged = self._board.names
        if self._reply_as is not None:
            self._board.say_heard(*self._reply_as)

    @property
    def erased_sessions(self) -> AbstractSet[int]:
        """`key_hash` of the sessions whose items are to leave the packs."""
        return self._notices.erased_sessions

    @property
    def forgotten_sessions(self) -> frozenset[int]:
        """`key_hash` of the sessions of which nothing may stay, not even in the state."""
        return self._notices.forgotten_sessions

    @property
    def erase_anything(self) -> bool:
        """Whether anything is to be erased at all."""
        return self._notices.erase_anything

    def erases(self, app_id: str, session_id: str, received_ms: int) -> bool:
        """Whether something of a session that was received then must not be kept."""
        if self._found and key_hash(app_id, session_id) in self._found:
            return True
        return self._notices.erases(app_id, session_id, received_ms)

    def erases_user(self, app_id: str, session_id: str, rows: Iterable[Mapping[str, object]], received_ms: int) -> bool:
        """Whether a session turns out to belong to an erased person, which the command could not know.

        If so, the rest of it will be erased as well.
        """
        if not self._notices.erases_user(app_id, session_id, rows, received_ms):
            return False
        self._found.add(key_hash(app_id, session_id))
        return True

    def holds(self, app_id: str, session_id: str) -> bool:
        """Whether a session is under a legal hold."""
        return self._notices.holds(app_id, session_id)
