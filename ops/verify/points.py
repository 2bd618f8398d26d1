"""What a point of the proof is, and how points are played: in order, each only when what it needs is met."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.errors import ConfigError
from ops import diagnosis
from ops.diagnosis import Finding, State, bad
from ops.errors import AwsError, OpsError, code_of, readable_aws_errors
from ops.verify.play import Found, Play

ONLY_ON_AWS = "only on AWS"
INTRUSIVE = "only with --intrusive"


class NotHereError(OpsError):
    """The deployment does not have what a point is about. The text says so."""


@dataclass(frozen=True)
class Answer:
    """How a point was answered. ``finding`` says what it means.

    ``call`` is what was asked, ``response`` what came back. ``found`` is for the points after this one.
    """

    finding: Finding
    call: str
    response: str
    found: Found | None = None


@dataclass(frozen=True)
class Point:
    """One thing that is played. ``document`` is a place in docs, ``needs`` are names of other points."""

    name: str
    question: str
    document: str
    play: Callable[[Play], Answer]
    needs: tuple[str, ...] = ()
    only_on_aws: bool = False
    is_intrusive: bool = False


@dataclass(frozen=True)
class Result:
    """What became of a point. ``why_not`` says why it was not played; then there is no answer.

    ``is_excused``: it could not be played here. ``is_known`` is False where asking failed.
    """

    point: Point
    answer: Answer | None = None
    why_not: str = ""
    is_excused: bool = False
    is_known: bool = True

    @property
    def state(self) -> State | None:
        """The state of a point that was played."""
        return self.answer.finding.state if self.answer else None

    @property
    def is_met(self) -> bool:
        """Whether points that need this one can be played."""
        return self.is_known and self.state in {State.GOOD, State.LOOK}

    @property
    def counts_against(self) -> bool:
        """Whether it proves nothing although it could have: not played, or asking failed.

        An open question of AWS that could not be asked says nothing about the deployment.
        """
        if self.answer is None:
            return not self.is_excused
        return not self.is_known and not self.point.only_on_aws

    def __str__(self) -> str:
        if self.answer is None:
            return f"--  {self.point.name}: not played ({self.why_not})"
        finding = self.answer.finding
        remedy = f" -> {finding.remedy} ({self.point.document})" if finding.remedy else ""
        return f"{finding.state.value}  {self.point.name}: {finding.what}{remedy}"


def play_points(points: Sequence[Point], play: Play) -> Iterator[Result]:
    """Play points in order and yield what became of each. A point that cannot be asked has a result too."""
    met: set[str] = set()
    for number, point in enumerate(points, start=1):
        play.show(f"{number} of {len(points)}  {point.name}")
        result = _play(point, play, met)
        if result.is_met:
            met.add(point.name)
        if result.answer and result.answer.found:
            play = replace(play, found=result.answer.found)
        yield result


def _play(point: Point, play: Play, met: set[str]) -> Result:
    if point.only_on_aws and play.is_local:
        return Result(point, why_not=ONLY_ON_AWS, is_excused=True)
    if point.is_intrusive and not play.is_intrusive:
        return Result(point, why_not=INTRUSIVE, is_excused=True)
    missing = [name for name in point.needs if name not in met]
    if missing:
        return Result(point, why_not=f"because of: {', '.join(missing)}")
    return _ask(point, play)


def _ask(point: Point, play: Play) -> Result:
    try:
        with readable_aws_errors():
            return Result(point, point.play(play))
    except NotHereError as error:
        return Result(point, why_not=str(error), is_excused=True)
    except AwsError as error:
        sentence = " ".join(str(error).split())
        finding = diagnosis.failed_check("It", code_of(error), sentence)
    except (OpsError, ConfigError) as error:
        sentence, finding = "", bad(str(error), "See the page of this point.")
    except Exception as error:  # noqa: BLE001 the other points are played; a message may hold data
        what = f"The point ended with an unexpected {type(error).__name__}."
        sentence, finding = "", bad(what, "Report this: it is a fault of make verify.")
    return Result(point, Answer(finding, "", sentence), is_known=False)


def is_well(findings: Sequence[Finding], results: Sequence[Result], *, is_strict: bool) -> bool:
    """Return whether the deployment is proved to work, by the rule of doctor.

    A point that could have been played here and was not is no proof, nor is one that could not be asked.
    """
    states = [finding.state for finding in findings]
    states += [result.answer.finding.state for result in results if result.answer]
    return diagnosis.is_well(states, is_strict=is_strict) and not any(each.counts_against for each in results)
