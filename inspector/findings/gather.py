"""All rules over one recording: run, silenced, sorted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from inspector.errors import QuestionError
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import SEVERITIES, Finding
from inspector.records import Recording

GROUP = "inspector.rules"
"""The entry point group in which other packages announce rules of their own."""

LAST_RESORT = "run-failed"
"""Says that the run failed where no other rule says why."""

_IGNORE = re.compile(r"#\s*inspector:\s*ignore(?:\[(?P<rules>[^\]]*)\])?")


def findings(
    recording: Recording,
    *,
    select: Collection[str] | None = None,
    ignore: Collection[str] = (),
    probes: Iterable[Finding] = (),
) -> tuple[Finding, ...]:
    """What is wrong in a recording: errors first, then warnings and notes, in order of the run.

    A comment `# inspector: ignore[rule-name]` on the line of a finding silences that rule there,
    `# inspector: ignore` all rules.

    Args:
        recording: the run.
        select: names of the rules to check; None for all.
        ignore: names of rules not to check.
        probes: findings of the probes that were run on the model, to be sorted in.

    Raises:
        QuestionError: there is no rule of a name in `select` or `ignore`.
    """
    known, broken = _known_rules()
    evidence = Evidence(recording)
    found = [*probes, *broken]
    for rule in _chosen(known, select, ignore):
        found += _checked(rule, evidence)
    if any(one.severity == "error" and one.rule != LAST_RESORT for one in found):
        found = [one for one in found if one.rule != LAST_RESORT]
    heard = (finding for finding in found if not _silenced(finding, recording))
    return tuple(sorted(heard, key=lambda finding: _order(finding, recording)))


def all_rules() -> tuple[Rule, ...]:
    """Our rules, then those of other packages."""
    return tuple(_known_rules()[0].values())


def chosen_rules(
    select: Collection[str] | None = None, ignore: Collection[str] = ()
) -> tuple[Rule, ...]:
    """The rules that `findings` checks when it is given the same.

    Raises:
        QuestionError: there is no rule of a name in `select` or `ignore`.
    """
    return _chosen(_known_rules()[0], select, ignore)


def _chosen(
    known: Mapping[str, Rule], select: Collection[str] | None, ignore: Collection[str]
) -> tuple[Rule, ...]:
    for name in (*(select or ()), *ignore):
        if name not in known:
            raise QuestionError(f"There is no rule {name!r}. There are: {', '.join(known)}.")
    return tuple(
        rule
        for name, rule in known.items()
        if (select is None or name in select) and name not in ignore
    )


def _known_rules() -> tuple[dict[str, Rule], list[Finding]]:
    """The rules by name, and notes about those of other packages that could not be had."""
    import importlib.metadata  # a tenth of what importing this package takes

    from inspector.findings.rules import RULES

    known = {rule.name: rule for rule in RULES}
    broken: list[Finding] = []
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            rule = entry.load()
        except Exception as error:
            broken.append(_unusable(entry.name, f"{type(error).__name__}: {error}"))
            continue
        if not isinstance(rule, Rule):
            broken.append(_unusable(entry.name, f"{entry.value} is no inspector.findings.Rule"))
        elif rule.name in known:
            broken.append(_unusable(entry.name, "there is a rule of that name already"))
        else:
            known[rule.name] = rule
    return known, broken


def _unusable(name: str, reason: str) -> Finding:
    return Finding(
        rule=name,
        severity="note",
        message=f"The rule {name} could not be loaded: {reason}.",
        help="Ask the package that announces it, or uninstall that package.",
    )


def _checked(rule: Rule, evidence: Evidence) -> list[Finding]:
    """The findings of one rule; one that fails says so and leaves the others alone."""
    try:
        return list(rule.check(evidence))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        message = f"The rule {rule.name} could not be checked: it failed with {reason}."
        help_ = "Please report it, with the recording. The other rules were checked."
        return [Finding(rule.name, "note", message, help=help_)]


def _silenced(finding: Finding, recording: Recording) -> bool:
    """Whether a comment on the finding's line silences it."""
    return any(
        match["rules"] is None or finding.rule in re.split(r"[,\s]+", match["rules"].strip())
        for line in _lines(finding, recording)
        for match in _IGNORE.finditer(line)
    )


def _lines(finding: Finding, recording: Recording) -> Iterator[str]:
    """The text of the lines that the finding's expression stands on."""
    source = finding.source
    text = "" if source is None else recording.sources.get(source.file, "")
    if source is None or "inspector" not in text:
        return
    lines = text.split("\n")
    for number in range(source.line, (source.end_line or source.line) + 1):
        if 1 <= number <= len(lines):
            yield lines[number - 1]


def _order(finding: Finding, recording: Recording) -> tuple[int, int, str]:
    """Where a finding stands in the list."""
    place = finding.op
    known = None if finding.tensor is None else recording.tensors.get(finding.tensor)
    if place is None and known is not None:
        place = known.producer
    if place is None:
        place = len(recording.ops)
    return SEVERITIES.index(finding.severity), place, finding.rule
