"""Files as they come from version control, whatever a deployment from this work tree has recorded in them."""

import json
import shutil
from pathlib import Path

from ops.packaging.templates import Templates

ROOT = Path(__file__).parents[2]

RECORDED = {
    "CAMPAIGN_ARN": "arn:aws:personalize:us-east-1:111122223333:campaign/set-me",
    "TRACKING_ID": "set-me",
}
ADDED = {"EVENTS_BUCKET_NAME", *Templates.read(ROOT).function_parameters()} - RECORDED.keys()
"""Variables that a stage has only after a deployment: the archive bucket, and parameters that were given."""


def config_as_cloned(path: Path) -> str:
    """The text of .chalice/config.json without what the step 'pipeline' records."""
    config = json.loads(path.read_text())
    for name in ("dev", "prod"):
        variables = config["stages"][name]["environment_variables"]
        variables.update(RECORDED)
        for variable in ADDED:
            variables.pop(variable, None)
        for variable, kind in (("EVENT_STREAM_NAME", "events"), ("QUARANTINE_QUEUE_URL", "quarantine")):
            resource = f"personalize-api-{name}-pipeline-{kind}"
            queue = f"https://sqs.us-east-1.amazonaws.com/111122223333/{resource}"
            variables[variable] = queue if kind == "quarantine" else resource
    return json.dumps(config, indent=2) + "\n"


def clone_project(folder: Path) -> Path:
    """Copy what packaging and ops need into ``folder``, with the packages that were downloaded once."""
    ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "answers", "venv")
    for name in ("app.py", "requirements.txt"):
        shutil.copyfile(ROOT / name, folder / name)
    for name in (".chalice", "chalicelib", "resources", "ops"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / ".chalice" / "config.json").write_text(config_as_cloned(ROOT / ".chalice" / "config.json"))
    if (ROOT / "build" / "wheels").is_dir():
        shutil.copytree(ROOT / "build" / "wheels", folder / "build" / "wheels")
    return folder
