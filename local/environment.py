"""The developer's own settings, which must not reach the programs of this machine."""

from __future__ import annotations

import os

AWS_SETTINGS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")
"""They name the developer's own AWS account, or another emulator."""


def remove_developer_settings() -> None:
    """Remove the developer's AWS settings from this process, and exclude this machine from the proxy."""
    for name in AWS_SETTINGS:
        os.environ.pop(name, None)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = "127.0.0.1,localhost"
