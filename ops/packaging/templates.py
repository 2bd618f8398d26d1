"""The three templates of ``resources/``, read once by a command and passed on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ops.archive.saved_queries import read_queries
from ops.packaging import merge, saved_queries, throttles
from ops.packaging.merge import Document

ACCESS_PARAMETERS = (
    "ThrottleRateLimit",
    "ThrottleBurstLimit",
    "MonthlyQuota",
    "WebThrottleRateLimit",
    "WebThrottleBurstLimit",
    "WebMonthlyQuota",
    "PartnerThrottleRateLimit",
    "PartnerThrottleBurstLimit",
    "PartnerMonthlyQuota",
    *throttles.STAGE,
    *throttles.PREFLIGHT,
)
"""Parameters of access.yaml that an operator chooses. The others carry what the deployment made."""


@dataclass(frozen=True)
class Templates:
    """``pipeline.yaml`` and ``access.yaml``, which are templates, and ``one-stack.yaml``, which is not."""

    pipeline: Document
    access: Document
    one_stack: Document

    @classmethod
    def read(cls, project_dir: Path) -> Templates:
        """Read the three files of a project. The pipeline gets the saved queries."""
        pipeline, access, one_stack = (
            merge.load((project_dir / "resources" / name).read_text(encoding="utf-8"))
            for name in ("pipeline.yaml", "access.yaml", "one-stack.yaml")
        )
        return cls(saved_queries.added(pipeline, read_queries().values()), access, one_stack)

    def pipeline_parameters(self) -> dict[str, Document]:
        """Return what the step ``pipeline`` takes: the template's parameters and those of the functions."""
        settings = self.one_stack["Parameters"]
        of_functions = {name: settings[name] for name in self.function_parameters().values()}
        return {**self.pipeline["Parameters"], **of_functions}

    def function_parameters(self) -> dict[str, str]:
        """Return the parameters of the one stack that are variables of the functions, by variable."""
        function = self.one_stack["Resources"][merge.API_FUNCTION]["Properties"]
        return {
            variable: value["Ref"]
            for variable, value in function["Environment"]["Variables"].items()
            if value.get("Ref") in self.one_stack["Parameters"]
        }

    def access_parameters(self) -> dict[str, Document]:
        """Return what the step ``access`` takes: throttles and quotas."""
        return {name: self.access["Parameters"][name] for name in ACCESS_PARAMETERS}

    def event_source_settings(self) -> Document:
        """Return the properties of the event source in the one stack."""
        [source] = self.one_stack["Resources"][merge.EVENT_CONSUMER]["Properties"]["Events"].values()
        return cast(Document, source["Properties"])
