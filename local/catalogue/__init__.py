"""A small catalogue of public-domain books in Personalize's import format. README.md describes the files.

It is sample data for ``make run``. It is not packaged, and the API does not depend on it.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
