"""`junit.xml`: one test case a policy rule, for systems that show test results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from reports import REPORTS, Content
from reports._characters import visible
from reports._closing import bound_text, explanation

_NAME = "bias-audit"


_TAGS = {"fail": "failure", "inconclusive": "skipped"}


@REPORTS.register("junit")
def junit(content: Content) -> Mapping[str, bytes]:
    """A rule that fails is a failure, one that is inconclusive is skipped, one that could not be judged is an error."""
    rules = list((content.verdict or {}).get("rules") or ())
    statuses = [str(rule.get("status")) for rule in rules]
    counts = {
        "name": _NAME,
        "tests": str(len(rules)),
        "failures": str(statuses.count("fail")),
        "errors": str(sum(s not in _TAGS and s != "pass" for s in statuses)),
        "skipped": str(statuses.count("inconclusive")),
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {**counts, **_when(content)})
    for rule in rules:
        _case(suite, rule)
    ET.indent(root)
    return {"junit.xml": ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"}


def _when(content: Content) -> dict[str, str]:
    started = str(content.result.run.get("started") or "")
    return {"timestamp": visible(started)} if started else {}


def _case(suite: ET.Element, rule: Mapping[str, Any]) -> None:
    status = str(rule.get("status", "not judged"))
    model = {"classname": f"{_NAME}.policy", "name": _clean(rule.get("id", "rule")), "time": "0"}
    case = ET.SubElement(suite, "testcase", model)
    if status == "pass":
        return
    tag = _TAGS.get(status, "error")
    outcome = ET.SubElement(case, tag, {"message": _clean(explanation(rule))})
    if tag == "failure":
        outcome.set("type", "policy")
        outcome.text = _clean("\n".join(_lines(rule)))


def _lines(rule: Mapping[str, Any]) -> list[str]:
    judged = f"{rule.get('kind', 'value')} of {rule.get('measure')} by {rule.get('attribute') or 'all images'}"
    found = f"found {rule.get('value')}, interval {rule.get('low')} to {rule.get('high')}"
    return [judged, f"bound: {bound_text(rule)}", found, *([str(rule["reason"])] if rule.get("reason") else [])]


def _clean(text: object) -> str:
    """XML 1.0 has no place for most control characters, escaped or not."""
    return visible(str(text))
