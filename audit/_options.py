"""The command line's words: which options there are, what they mean, and under which heading they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from audit.errors import nearest
from audit.inputs import PRESETS
from audit.settings import FORMATS

F = TypeVar("F", bound=Callable[..., Any])

OTHER = "Other"


class TopicOption(click.Option):
    """An option that stands under a heading of its own in the help."""

    def __init__(self, *names: Any, topic: str = OTHER, **more: Any) -> None:
        super().__init__(*names, **more)
        self.topic = topic


class TopicCommand(click.Command):
    """A command whose help groups its options by topic, in the order they were declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        topics: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if row is not None:
                topics.setdefault(getattr(parameter, "topic", OTHER), []).append(row)
        for topic, rows in topics.items():
            with formatter.section(topic):
                formatter.write_dl(rows, col_max=26)


class ModelFirst(click.Group):
    """The first word that is no command is the model: `bias-audit MODEL …` is `bias-audit run MODEL …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._with_command(ctx, args))

    def _with_command(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if not args or args[0] in own or args[0] in self.commands:
            return args
        for i, word in enumerate(args):
            if not word.startswith("-"):
                if word in self.commands and i > 0:  # `-q gate RUN`
                    return [word, *args[:i], *args[i + 1 :]]
                hint = nearest(word, self.commands)
                if hint and not Path(word).exists() and not Path(word).suffix:
                    message = f"no such command or model file: {word!r}. {hint}"
                    raise click.UsageError(message, ctx)
                break
            if word not in ("-q", "-v", "-vv", "--quiet", "--verbose"):
                break
        return ["run", *args]


def _option(*names: str, topic: str, help: str, **more: Any) -> Callable[[F], F]:  # noqa: A002  click's own word
    return click.option(*names, cls=TopicOption, topic=topic, help=help, **more)


def _together(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


_PROBE = "Probe set"
_MODEL = "Model"
_INSIDE = "Inside the model"
_STATISTICS = "Statistics"
_VERDICT = "Verdict"
_OUTPUT = "Output"
_MACHINE = "Machine"

_folder = click.Path(path_type=Path)
probe_required = _option(
    "--probe", topic=_PROBE, metavar="DIR", type=_folder, required=True, help="The folder of labeled pictures."
)
probe_to_try = _option(
    "--probe",
    topic=_PROBE,
    metavar="DIR",
    type=_folder,
    help="Find out on 64 of these pictures how the model wants to be fed.",
)
_label = _option("--label", topic=_PROBE, metavar="COLUMN", help="What the model should say (gender, then label).")
_layout = _option(
    "--layout", topic=_PROBE, metavar="NAME", help="Read the folder as this layout (found out by itself)."
)
_limit = _option(
    "--limit", topic=_PROBE, metavar="N", help="A quick look: about N images, whole subjects drawn by label and seed."
)
_probe_options = (
    _label,
    _option("--subject", topic=_PROBE, metavar="COLUMN", help="Whose picture it is (subject, identity, person)."),
    _option(
        "--group",
        "groups",
        topic=_PROBE,
        metavar="NAME",
        multiple=True,
        help='Group by this column; "gender*skin" for an intersection. Repeat it for more (every column with 2 to 20 '
        "values).",
    ),
    _option(
        "--band",
        "bands",
        topic=_PROBE,
        metavar="COLUMN=CUTS",
        multiple=True,
        help="Cut a number into bands: age=0,18,30,45,60. Repeat it for more.",
    ),
    _layout,
    _limit,
)
model_options = _together(
    (
        _option("--task", topic=_MODEL, type=click.Choice(["classification"]), help="What the model does."),
        _option("--output", topic=_MODEL, metavar="NAME", help="Which output, where there are several."),
        _option(
            "--classes",
            topic=_MODEL,
            metavar="A,B,…",
            help="Class names in the order of the outputs; for one sigmoid output NEGATIVE,POSITIVE.",
        ),
        _option("--positive", topic=_MODEL, metavar="CLASS", help="Adds selection and the four conditional rates."),
        _option("--threshold", topic=_MODEL, metavar="P", help="Second class from this probability on, of two (0.5)."),
        _option(
            "--abstain-below", topic=_MODEL, metavar="P", help="No answer where the largest probability is lower (0)."
        ),
        _option(
            "--preprocess",
            topic=_MODEL,
            metavar="NAME",
            help=f"How pixels are scaled: {', '.join(PRESETS)} (what MODEL.toml says).",
        ),
    )
)
_seed = _option("--seed", topic=_STATISTICS, metavar="N", help="For everything that is drawn by chance (0).")
_statistics_options = (
    _seed,
    _option("--alpha", topic=_STATISTICS, metavar="P", help="One minus the confidence level (0.05)."),
    _option("--min-subjects", topic=_STATISTICS, metavar="N", help="Smaller groups are shown, not judged (30)."),
)
_workers = _option("--workers", topic=_MACHINE, metavar="N", help="Threads that read pictures (one a core, at most 8).")
_threads = _option("--threads", topic=_MACHINE, metavar="N", help="Threads that the model computes with (one a core).")
_device = _option("--device", topic=_MACHINE, metavar="NAME", help="auto, cpu or cuda (auto).")

_within_help = 'Compare groups again among those who are alike in this; repeat it for more, or "a*b" for both at once.'
within_option = _option("--within", topic=_STATISTICS, metavar="ATTRIBUTE", multiple=True, help=_within_help)

run_options = _together(
    (
        *_probe_options,
        model_options,
        _option(
            "--layers", topic=_INSIDE, metavar="A,B,…", help="Layers to look at (six over the depth; see inspect)."
        ),
        _option("--cam", topic=_INSIDE, metavar="METHOD", help="How class activation maps are made (auto)."),
        _option(
            "--trust",
            topic=_INSIDE,
            metavar="N",
            help="Check on N pictures, 8 to 32, whether the maps can be trusted; 0 does not (32).",
        ),
        *_statistics_options,
        within_option,
        _option(
            "--accept-chance",
            topic=_STATISTICS,
            is_flag=True,
            default=None,
            help="Judge a model that is no better than chance all the same.",
        ),
    )
)
_policy_help = "Rules to judge by, a TOML file."
_ending_options = (
    _option(
        "--inconclusive",
        topic=_VERDICT,
        metavar="3|fail|pass",
        help="What an inconclusive verdict ends in: status 3, 1 or 0 (3).",
    ),
    _option("--exit-zero", topic=_VERDICT, is_flag=True, default=None, help="Status 0 whatever the rules say."),
)
run_verdict_options = _together(
    (_option("--policy", topic=_VERDICT, metavar="FILE", help=_policy_help), *_ending_options)
)
gate_options = _together(
    (
        _option("--policy", topic=_VERDICT, metavar="FILE", required=True, help=_policy_help),
        *_ending_options,
        _option("--out", topic=_OUTPUT, metavar="DIR", help="Where junit.xml and summary.md go (RUN)."),
    )
)
inspect_options = _together((_label, _layout, model_options, _seed, _device, _threads))
survey_options = _together(
    (
        *_probe_options,
        *_statistics_options,
        _option(
            "--out", topic=_OUTPUT, metavar="DIR", help="Write probe.html and probe.json there (nothing is written)."
        ),
        _option("--force", topic=_OUTPUT, is_flag=True, help="Write into a folder that holds something else."),
        _workers,
    )
)
force_option = _option(
    "--force", topic=_OUTPUT, is_flag=True, help="Replace what an earlier audit left in that folder."
)
out_option = _option("--out", topic=_OUTPUT, metavar="DIR", help="Where everything goes (audit-MODELFILE/).")
resume_option = _option("--resume", topic=_OUTPUT, is_flag=True, help="Go on from an interrupted run in that folder.")
report_policy_option = _option(
    "--policy", topic=_VERDICT, metavar="FILE", help="Show the verdict by these rules (the run's own)."
)
formats_option = _option(
    "--formats",
    topic=_OUTPUT,
    metavar="A,B,…",
    help=f"Of {', '.join(FORMATS)} (html,pdf,md; junit with a policy).",
)
faces_option = _option(
    "--faces",
    topic=_OUTPUT,
    is_flag=True,
    default=None,
    help="Show misjudged pictures in the HTML and PDF reports, which are personal data then (off: no face "
    "leaves the probe folder, and no report has the map of one picture).",
)
machine_options = _together(
    (
        _device,
        _option("--batch-size", topic=_MACHINE, metavar="N", help="Images in memory at a time (32)."),
        _workers,
        _threads,
    )
)
common_options = _together(
    (
        _option(
            "--json",
            "json_to",
            topic=OTHER,
            metavar="-",
            type=click.Choice(["-"]),
            help="The result as JSON on standard output.",
        ),
        _option("-q", "--quiet", topic=OTHER, is_flag=True, help="Nothing but errors."),
        _option("-v", "--verbose", topic=OTHER, count=True, help="Log, warnings and tracebacks (-vv: more)."),
    )
)


def stated(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was typed. Several `--band` are one text, as in the environment."""
    typed = {name: value for name, value in flags.items() if value is not None and value != ()}
    if "bands" in typed:
        typed["bands"] = ";".join(typed["bands"])
    return typed
