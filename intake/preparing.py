"""A request's message as it shall be stored: split by session, masked, with its visitor, of allowed apps only."""

from intake.masking import Masking, Unmaskable
from intake.policy import Policy
from intake.refusals import Refusal, Refused
from intake.visitors import Visitors, with_columns
from operators.families.registry import family_of_kind
from operators.requests import Keyed, keyed_by_session
from operators.wire.message import Message
from schemas.items import Item


class Prepared:
    """What to store, and how many parts of the request were left out for which reason."""

    def __init__(self, keyed: list[Keyed], left_out: dict[Refusal, int]) -> None:
        self.keyed = keyed
        self.left_out = left_out

    @property
    def apps(self) -> set[str]:
        """Apps that the request is of."""
        return {one.app_id for one in self.keyed if one.app_id}


class Preparer:
    """Pure but for its counter of masked texts; may run in several threads."""

    def __init__(self, policy: Policy, masking: Masking, visitors: Visitors) -> None:
        self._policy = policy
        self._masking = masking
        self._visitors = visitors

    def prepare(self, message: Message, address: str) -> Prepared:
        """Raises Refused when nothing of the message may be stored."""
        family = family_of_kind(message.type)
        is_segment = family is not None and message.type in family.form_kinds
        columns = {} if is_segment else self._visitors.columns(address)
        masking = self._masking

        def edit(item: Item) -> bytes:
            return with_columns(item, masking.masked(item) if masking else item.body, columns)

        try:
            found = keyed_by_session(message, self._policy.limits, edit if masking or columns else None)
        except Unmaskable as error:
            raise Refused(Refusal.UNMASKABLE) from error
        left_out: dict[Refusal, int] = {}
        kept = []
        for one in found:
            reason = self._why_not(one)
            if reason is None:
                kept.append(one)
            else:
                left_out[reason] = left_out.get(reason, 0) + 1
        if not kept and left_out:
            raise Refused(next(iter(left_out)))
        return Prepared(kept, left_out)

    def _why_not(self, one: Keyed) -> Refusal | None:
        """Without ids a message is for the quarantine, which keeps it as it came: not where masking is on."""
        if not one.app_id:
            return Refusal.UNMASKABLE if self._masking else None
        apps = self._policy.apps
        return Refusal.UNKNOWN_APP if apps and one.app_id not in apps else None
