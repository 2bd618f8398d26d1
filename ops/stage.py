"""What .chalice/ holds for one stage: its settings, the answers of its owner, and what Chalice made of it.

Files only; nothing here talks to AWS.

    config.json           settings of every stage; under version control, changed in place, never reformatted
    answers/STAGE.json    what was answered when the stage was first deployed; ignored by git, because it
                          names an account and a person
    deployed/STAGE.json   Chalice's own record of the ids of what it made; ignored by git
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ops.command_lines import make_line, shell_line
from ops.errors import PackagingError, StackError

PLACEHOLDER = "set-me"
_INDENT = 2


@dataclass(frozen=True)
class Deployed:
    """Ids of what 'chalice deploy' made."""

    api_id: str
    api_function: str
    api_stage: str
    delivery_function: str
    event_source: str
    log_groups: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One stage of the project in ``project_dir``."""

    project_dir: Path
    name: str

    def app_name(self) -> str:
        return str(self._config()["app_name"])

    def variables(self) -> dict[str, str]:
        """The environment of the stage's functions, as Chalice joins it. PackagingError for no such stage."""
        config = self._config()
        return {
            **config.get("environment_variables", {}),
            **config["stages"][self.name].get("environment_variables", {}),
        }

    def log_retention_in_days(self) -> int:
        config = self._config()
        return int(config["stages"][self.name].get("log_retention_in_days", config["log_retention_in_days"]))

    def settled(self, name: str) -> bool:
        """Whether a variable has a value of its owner's, and not the placeholder it came with."""
        value = self.variables().get(name, "")
        return bool(value) and not value.endswith(PLACEHOLDER)

    def record(self, variables: Mapping[str, str]) -> list[str]:
        """Write variables into the stage of config.json; the names of those that changed.

        The file keeps its order and its form, so that a diff shows these values and nothing else.
        """
        config = self._config()
        current = config["stages"][self.name].setdefault("environment_variables", {})
        changed = [name for name, value in variables.items() if current.get(name) != value]
        if changed:
            current.update({name: variables[name] for name in changed})
            _write(self._path("config.json"), config)
        return changed

    def answers(self) -> dict[str, str]:
        path = self._path("answers")
        if not path.is_file():
            return {}
        _close(path)  # an earlier version may have left it open
        return {str(name): str(value) for name, value in _read(path).items()}

    def remember(self, answers: Mapping[str, str]) -> None:
        """Add answers to those remembered."""
        known = self.answers()
        if answers and {**known, **answers} != known:
            path = self._path("answers")
            _write(path, {**known, **answers}, mode=0o600)
            _close(path)

    def has_deployed(self) -> bool:
        """Whether Chalice has a record of the stage. After 'chalice delete' it is there, and empty."""
        path = self._path("deployed")
        return path.is_file() and bool(_read(path).get("resources"))

    def deployed(self) -> Deployed:
        """StackError when Chalice has not deployed the stage from here, or not whole."""
        if not self.has_deployed():
            raise StackError(
                f"There is no .chalice/deployed/{self.name}.json: nothing says what Chalice made. Run "
                f"'{shell_line('chalice', 'deploy', '--stage', self.name)}' first, or "
                f"'{make_line('deploy', STAGE=self.name)}'."
            )
        found = _read(self._path("deployed"))["resources"]
        made = {(resource["resource_type"], resource["name"]): resource for resource in found}
        try:
            api = made["rest_api", "rest_api"]
            handler, delivery = (
                made["lambda_function", name]["lambda_arn"].rsplit(":", 1)[-1]
                for name in ("api_handler", "deliver_events")
            )
            source = next(r["event_uuid"] for r in found if r["resource_type"] == "kinesis_event")
            groups = tuple(r["log_group_name"] for r in found if r["resource_type"] == "log_group")
        except (KeyError, StopIteration) as error:
            raise StackError(
                f".chalice/deployed/{self.name}.json names no API, functions and event source. "
                f"Run '{shell_line('chalice', 'deploy', '--stage', self.name)}' again."
            ) from error
        # https://ID.execute-api.REGION.amazonaws.com/STAGE/
        api_stage = api["rest_api_url"].rstrip("/").rsplit("/", 1)[-1]
        return Deployed(api["rest_api_id"], handler, api_stage, delivery, source, groups)

    def _config(self) -> dict[str, Any]:
        try:
            config = _read(self._path("config.json"))
        except OSError as error:
            raise PackagingError(f".chalice/config.json cannot be read: {error.strerror}") from error
        if self.name not in config.get("stages", {}):
            stages = ", ".join(sorted(config.get("stages", {})))
            raise PackagingError(f"There is no stage {self.name!r}; .chalice/config.json has {stages}.")
        return config

    def _path(self, kind: str) -> Path:
        folder = self.project_dir / ".chalice"
        return folder / kind if kind == "config.json" else folder / kind / f"{self.name}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise PackagingError(f"{path.name} in {path.parent.name} is not JSON: {error}") from error


def _write(path: Path, content: Mapping[str, Any], *, mode: int = 0o666) -> None:
    """Replace the file in one step: an interruption leaves the old one or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(json.dumps(content, indent=_INDENT, ensure_ascii=False) + "\n")
    os.replace(draft, path)  # noqa: PTH105 - said as the system call it is


def _close(path: Path) -> None:
    """Close a file and its folder to other users: what is in it names an account and a person."""
    with suppress(PermissionError):  # somebody else's file: not ours to change
        path.parent.chmod(0o700)
        path.chmod(0o600)
