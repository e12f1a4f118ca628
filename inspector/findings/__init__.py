"""What is wrong in a recording, and why: a set of small rules, each in a file of its own.

    evidence.py   what the rules look things up in, made once for all of them
    rule.py       what a rule is; `rules/` has them
    gather.py     `findings`: all rules over one recording, silenced, folded and sorted
    comments.py   the comments in the source that silence rules
    formats.py    findings as text, JSON, SARIF and GitHub's commands

Other packages add rules by the entry point group `inspector.rules`.
"""

from __future__ import annotations

from inspector.findings.evidence import Evidence
from inspector.findings.gather import all_rules, chosen_rules, findings
from inspector.findings.rule import Rule

__all__ = ["Evidence", "Rule", "all_rules", "chosen_rules", "findings"]
