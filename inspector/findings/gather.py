"""All rules over one recording: run, silenced, folded, sorted."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import replace

from inspector.errors import QuestionError
from inspector.findings.comments import Comments
from inspector.findings.evidence import Evidence
from inspector.findings.rule import Rule
from inspector.found import SEVERITIES, Finding
from inspector.language import sentence
from inspector.records import Recording, Source

GROUP = "inspector.rules"
"""The entry point group in which other packages announce rules of their own."""

LAST_RESORT = "run-failed"
"""Says that the run failed where no other rule says why."""

MOST_RELATED = 50
"""Related ops of a finding that stands for many."""


def findings(
    recording: Recording,
    *,
    select: Collection[str] | None = None,
    ignore: Collection[str] = (),
    probes: Iterable[Finding] = (),
) -> tuple[Finding, ...]:
    """What is wrong in a recording: errors first, then warnings and notes, in order of the run.

    A comment `# inspector: ignore[rule-name]` on the line of a finding silences that rule there,
    `# inspector: ignore` all rules. What a rule says of one line, module path and parameter again
    and again (in every step of a loop) is one finding, whose message ends in "(300 times)".

    Args:
        recording: the run.
        select: names of the rules to check, or one name; None for all.
        ignore: names of rules not to check, or one name.
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
    comments = Comments(recording)
    heard = [finding for finding in found if not comments.silence(finding)]
    heard.sort(key=lambda finding: _order(finding, recording))
    return tuple(_folded(heard, evidence))


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
    select = [select] if isinstance(select, str) else select
    ignore = [ignore] if isinstance(ignore, str) else ignore
    for name in (*(select or ()), *ignore):
        if name not in known:
            names = ", ".join(known)
            raise QuestionError(
                sentence(
                    "There is no rule {name}. There are: {names}.", name=repr(name), names=names
                )
            )
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
        except (Exception, SystemExit) as error:
            broken.append(_unusable(entry.name, f"{type(error).__name__}: {error}"))
            continue
        if not isinstance(rule, Rule):
            no_rule = sentence("{object} is no inspector.findings.Rule", object=entry.value)
            broken.append(_unusable(entry.name, no_rule))
        elif rule.name in known:
            taken = sentence("there is a rule of that name already")
            broken.append(_unusable(entry.name, taken))
        else:
            known[rule.name] = rule
    return known, broken


def _unusable(name: str, reason: str) -> Finding:
    return Finding(
        rule=name,
        severity="note",
        message=sentence(
            "The rule {rule} could not be loaded: {reason}.", rule=name, reason=reason
        ),
        help=sentence("Ask the package that announces it, or uninstall that package."),
    )


def _checked(rule: Rule, evidence: Evidence) -> list[Finding]:
    """The findings of one rule; one that fails says so and leaves the others alone."""
    try:
        found = list(rule.check(evidence))
        wrong = next(filter(None, (_wrong(one, rule, evidence.recording) for one in found)), None)
    except (Exception, SystemExit) as error:
        wrong = sentence(
            "it failed with {type}: {error}", type=type(error).__name__, error=str(error)
        )
    if wrong is None:
        return found
    message = sentence(
        "The rule {rule} could not be checked: {reason}.", rule=rule.name, reason=wrong
    )
    help_ = sentence("Please report it, with the recording. The other rules were checked.")
    return [Finding(rule.name, "note", message, help=help_)]


def _wrong(one: object, rule: Rule, recording: Recording) -> str | None:
    """What is wrong with a rule's result: nobody could show it. None if nothing is."""
    if not isinstance(one, Finding):
        type_ = repr(type(one).__name__)
        return sentence("it gave {type} in place of a Finding", type=type_)
    if one.rule != rule.name:
        return sentence("it gave a finding of a rule {rule}", rule=repr(one.rule))
    if one.severity not in SEVERITIES:
        return sentence("it gave a finding of the severity {severity}", severity=repr(one.severity))
    if not all(isinstance(text, str) for text in (one.message, one.help)):
        return sentence("it gave a finding whose message or help is no text")
    if not all(isinstance(place, Source | None) for place in (one.source,)):
        return sentence("it gave a finding whose source is no Source")
    ops = one.related if one.op is None else (one.op, *one.related)
    if not all(number in range(len(recording.ops)) for number in ops):
        return sentence("it gave a finding of an op that the recording does not have")
    if one.tensor is not None and one.tensor not in recording.tensors:
        return sentence("it gave a finding of a tensor that the recording does not have")
    if one.grad_node is not None and one.grad_node not in range(len(recording.grad_nodes)):
        return sentence("it gave a finding of an autograd node that the recording does not have")
    return None


def _folded(found: Iterable[Finding], evidence: Evidence) -> list[Finding]:
    """Each finding once for its line, module path and parameter, in the order of the first."""
    ops = evidence.recording.ops
    groups: dict[Hashable, list[Finding]] = {}
    for one in found:
        place: Hashable = id(one)  # without a line, nothing tells that two are the same
        if one.source is not None:
            # A probe's ops are those of its own run.
            path = ""
            if one.op is not None and one.op < len(ops):
                path = evidence.path(ops[one.op])
            place = (one.source.file, one.source.line, path)
        groups.setdefault((one.rule, one.severity, one.parameter, place), []).append(one)
    return [_one_for_all(same) for same in groups.values()]


def _one_for_all(same: list[Finding]) -> Finding:
    first = same[0]
    if len(same) == 1:
        return first
    message = sentence("{message} ({count} times)", message=first.message, count=len(same))
    others = {op: None for one in same for op in (*one.related, one.op) if op is not None}
    related = sorted([op for op in others if op != first.op][:MOST_RELATED])
    return replace(first, message=message, related=tuple(related))


def _order(finding: Finding, recording: Recording) -> tuple[int, int, str]:
    """Where a finding stands in the list."""
    place = finding.op
    known = None if finding.tensor is None else recording.tensors.get(finding.tensor)
    if place is None and known is not None:
        place = known.producer
    if place is None:
        place = len(recording.ops)
    return SEVERITIES.index(finding.severity), place, finding.rule
