"""What ``.chalice/`` holds for one stage. This module reads and writes files and does not talk to AWS.

config.json           settings of every stage; under version control, changed in place, never reformatted
answers/STAGE.json    what a person typed when the stage was first deployed; ignored by git, because it
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

from chalicelib import config as settings
from ops import function_variables
from ops.command_lines import make_line, shell_line
from ops.errors import NotDeployedError, PackagingError

PLACEHOLDER = "set-me"
_INDENT = 2


@dataclass(frozen=True)
class ChaliceRecord:
    """Ids of what ``chalice deploy`` made. ``event_source`` is the UUID of the event source mapping."""

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
        """Return the name that Chalice's resources begin with."""
        return str(self._config()["app_name"])

    def variables(self) -> dict[str, str]:
        """Return the environment of the functions, joined as Chalice does it.

        Raises PackagingError for a stage that config.json does not have.
        """
        config = self._config()
        return {
            **config.get("environment_variables", {}),
            **config["stages"][self.name].get("environment_variables", {}),
        }

    def check_variables(self) -> None:
        """Raise PackagingError for variables that the functions or Lambda would refuse."""
        problem = function_variables.problem(self.variables())
        if problem:
            raise PackagingError(f"{problem} Change it in .chalice/config.json.")

    def fixed_origin(self) -> str:
        """Return the origin that preflights and the gateway's own responses name.

        Raises PackagingError for a variable that the functions would refuse.
        """
        self.check_variables()
        return cast(str, settings.read("ALLOWED_ORIGIN", self.variables()).fixed)

    def log_retention_in_days(self) -> int:
        """Return how many days the functions' logs are kept."""
        config = self._config()
        return int(config["stages"][self.name].get("log_retention_in_days", config["log_retention_in_days"]))

    def has_value(self, name: str) -> bool:
        """Return whether a variable is set, and not to the placeholder of a fresh clone."""
        value = self.variables().get(name, "")
        return bool(value) and not value.endswith(PLACEHOLDER)

    def record(self, variables: Mapping[str, str]) -> list[str]:
        """Write variables into the stage of config.json, and return the names of those that changed.

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
        """Return what a person typed for the parameters of this stage before, by parameter."""
        path = self._path("answers")
        if not path.is_file():
            return {}
        _make_private(path)  # an earlier version left it open to others
        return {str(name): str(value) for name, value in _read(path).items()}

    def remember(self, answers: Mapping[str, str]) -> None:
        """Add answers to those that are kept."""
        known = self.answers()
        if answers and {**known, **answers} != known:
            path = self._path("answers")
            _write(path, {**known, **answers}, mode=0o600)
            _make_private(path)

    def has_chalice_record(self) -> bool:
        """Return whether Chalice has deployed the stage. ``chalice delete`` leaves an empty record."""
        path = self._path("deployed")
        return path.is_file() and bool(_read(path).get("resources"))

    def chalice_record(self) -> ChaliceRecord:
        """Return the ids of what Chalice made. Raises NotDeployedError when it made nothing, or a part."""
        if not self.has_chalice_record():
            raise NotDeployedError(
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
            raise NotDeployedError(
                f".chalice/deployed/{self.name}.json names no API, functions and event source. "
                f"Run '{shell_line('chalice', 'deploy', '--stage', self.name)}' again."
            ) from error
        # https://ID.execute-api.REGION.amazonaws.com/STAGE/
        api_stage = api["rest_api_url"].rstrip("/").rsplit("/", 1)[-1]
        return ChaliceRecord(api["rest_api_id"], handler, api_stage, delivery, source, groups)

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
        raise PackagingError(
            f"{path.parent.name}/{path.name} cannot be read: it is not JSON ({error})."
        ) from error


def _write(path: Path, content: Mapping[str, Any], *, mode: int = 0o666) -> None:
    """Replace a file in one step: an interruption leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(json.dumps(content, indent=_INDENT, ensure_ascii=False) + "\n")
    os.replace(draft, path)  # noqa: PTH105 - the system call that replaces in one step


def _make_private(path: Path) -> None:
    """Close a file and its folder to other users: the content names an account and a person."""
    with suppress(OSError):  # the file of another user stays as it is
        path.parent.chmod(0o700)
        path.chmod(0o600)
