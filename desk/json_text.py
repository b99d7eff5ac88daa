"""JSON formatting for people."""

import json
from typing import Any


def pretty(data: Any) -> str:
    """The data as indented JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False)
