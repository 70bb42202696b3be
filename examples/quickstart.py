"""The main job from Python, on the built-in demo: audit, look at the figures, judge, write the reports.

Run it with `python examples/quickstart.py`; it needs no torch and no network.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import audit
import reports
from audit.demo import write_demo

POLICY = """
[[rule]]
id = "gender-gap-by-skin"
measure = "wrong_label_rate"
attribute = "gender*skin"
kind = "difference"
max = 0.05
reason = "release requirement"
"""


def main(folder: Path) -> None:
    model, probe = write_demo(folder / "demo")
    result = audit.run_audit(model, probe=probe, groups=["skin", "gender*skin"], limit=240)
    print(result["wrong_label_rate"].by_group("gender*skin").round(3))
    print(result["wrong_label_rate"].disparities()[["attribute", "kind", "value", "low", "high"]].round(3))

    (folder / "policy.toml").write_text(POLICY)
    verdict = audit.judge(result, audit.read_policy(folder / "policy.toml"))
    print(f"verdict: {verdict.status}")
    for path in reports.write(result, verdict, folder / "out", formats=["html", "pdf"]):
        print(f"wrote {path.name}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
