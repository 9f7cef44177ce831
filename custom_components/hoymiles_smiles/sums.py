"""Sums over all DTUs, for the bridge's own entities."""

from __future__ import annotations

from .models import Dtu, SmilesData


def query_count(data: SmilesData) -> int:
    """Return how many polls succeeded."""
    return sum(dtu.query_count for dtu in data.health.dtus.values())


def error_count(data: SmilesData) -> int:
    """Return how many polls failed."""
    return sum(dtu.error_count for dtu in data.health.dtus.values())


def seconds_since_last_query(data: SmilesData) -> int | None:
    """Return how long ago the newest successful poll was."""
    ages = [dtu.seconds_since_success for dtu in data.health.dtus.values()]
    return min((age for age in ages if age is not None), default=None)


def latest_failure(data: SmilesData) -> Dtu | None:
    """Return the DTU that failed last."""
    failed = [(dtu.last_error_time, dtu) for dtu in data.health.dtus.values() if dtu.last_error_time is not None]
    return max(failed, key=lambda failure: failure[0])[1] if failed else None
