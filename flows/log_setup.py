"""How a process logs: text for people or one JSON object a line, on standard error."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from flows.settings import Settings
from flows.shown import PrintableFormatter

_TEXT = "%(asctime)s %(levelname)s %(message)s"


def set_up_logging(settings: Settings) -> None:
    """Once per process, before anything is logged."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log.format == "json":
        handler.setFormatter(
            JsonFormatter(
                ["asctime", "levelname", "name", "message"],
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                static_fields={"process": settings.run.process_id},
            )
        )
    else:
        handler.setFormatter(PrintableFormatter(_TEXT))
    logging.basicConfig(level=settings.log.level.upper(), handlers=[handler], force=True)
    for chatty in ("aiobotocore", "botocore", "s3fs", "fsspec", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))
