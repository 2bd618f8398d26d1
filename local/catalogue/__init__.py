"""A small catalogue of public-domain books in Personalize's import format; see README.md beside this file."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
