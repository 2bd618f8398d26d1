"""What several files start: ``make run`` on free ports."""

from tests.support.local_run import ports, run

__all__ = ["ports", "run"]
