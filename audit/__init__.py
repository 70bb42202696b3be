"""Audits a trained vision model file for demographic bias.

    import audit, reports
    result = audit.run_audit("model.onnx", probe="faces/", groups=["skin", "gender*skin"])
    verdict = audit.judge(result, audit.read_policy("policy.toml"))
    reports.write(result, verdict, "out/", formats=["html", "pdf"])

Names are resolved on first use, so importing this package loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from audit.errors import AuditError, ExitStatus
    from audit.gallery import with_faces
    from audit.gate import Policy, Rule, Verdict, judge, read_policy
    from audit.records import read_run
    from audit.result import AuditResult, Disparity, Estimate, GroupEstimate, Measurement, Pair, Skipped
    from audit.run import run_audit
    from audit.survey import Survey, survey_probe
    from audit.within import with_within

_PROMISED = {
    "AuditError": "audit.errors",
    "AuditResult": "audit.result",
    "Disparity": "audit.result",
    "Estimate": "audit.result",
    "ExitStatus": "audit.errors",
    "GroupEstimate": "audit.result",
    "Measurement": "audit.result",
    "Pair": "audit.result",
    "Policy": "audit.gate",
    "Rule": "audit.gate",
    "Skipped": "audit.result",
    "Survey": "audit.survey",
    "Verdict": "audit.gate",
    "judge": "audit.gate",
    "read_policy": "audit.gate",
    "read_run": "audit.records",
    "run_audit": "audit.run",
    "survey_probe": "audit.survey",
    "with_faces": "audit.gallery",
    "with_within": "audit.within",
}

__all__ = [
    "AuditError",
    "AuditResult",
    "Disparity",
    "Estimate",
    "ExitStatus",
    "GroupEstimate",
    "Measurement",
    "Pair",
    "Policy",
    "Rule",
    "Skipped",
    "Survey",
    "Verdict",
    "judge",
    "read_policy",
    "read_run",
    "run_audit",
    "survey_probe",
    "with_faces",
    "with_within",
]


def __getattr__(name: str) -> Any:
    if name in _PROMISED:
        return getattr(importlib.import_module(_PROMISED[name]), name)
    raise AttributeError(f"module 'audit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
