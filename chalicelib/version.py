"""The version of the application: the newest one of CHANGELOG.md. ``openapi.json`` carries it too."""

VERSION = "0.1.0"
