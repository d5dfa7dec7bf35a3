"""Retention classes: how many days an app's data lives. The class is part of every key, chosen when it is written."""

import msgspec

RETENTION_DAYS_DEFAULT = 14
RETENTION_DAYS_MAX = 3650
HELD_DAYS = 36_500  # class of what is under legal hold: longer than any app's


class AppRetention(msgspec.Struct, frozen=True):
    """Days for one app. `replay_days` None: replays live as long as the app's RUM rows."""

    rum_days: int
    replay_days: int | None = None


class Retention(msgspec.Struct, frozen=True):
    """The classes in force: a default and exceptions by app."""

    default: AppRetention = AppRetention(RETENTION_DAYS_DEFAULT)
    apps: dict[str, AppRetention] = {}

    def rum_days(self, app_id: str) -> int:
        """Class of every table row of an app."""
        return self.apps.get(app_id, self.default).rum_days

    def rum_classes(self) -> set[int]:
        """Every class that a table row can be written to."""
        return {self.default.rum_days, *(app.rum_days for app in self.apps.values())}

    def replay_classes(self) -> set[int]:
        """Every class that a replay blob can be written to."""
        return {self.replay_days(""), *map(self.replay_days, self.apps)}

    def replay_days(self, app_id: str) -> int:
        """Class of an app's replay blobs and of the rows that point into them."""
        chosen = self.apps.get(app_id, self.default)
        return chosen.rum_days if chosen.replay_days is None else chosen.replay_days
