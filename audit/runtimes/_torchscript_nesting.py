"""How deep a TorchScript file's source text goes.

torch's parser calls itself for every bracket and operator: a text made for it fills the stack and ends the process.
"""

from __future__ import annotations

import re
from pathlib import Path

from audit.errors import UnsafeModel

DEEPEST = 200  # brackets within brackets; what torch writes has about ten
LONGEST = 2000  # operators in one expression
INDENTED = 400  # spaces before a line

_TOKEN = re.compile(
    r"""
    (?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*)   # texts and comments: nothing
    | ([(\[{]) | ([)\]}]) | ([,;]) | (\n[ \t]*) | (\.(?=[A-Za-z_])|[-+*/%@&|^~<>=!]+|\b(?:not|and|or|if|is|in|lambda)\b)
    """,
    re.VERBOSE | re.DOTALL,
)


def check_nesting(source: str, path: Path) -> None:
    """Raises UnsafeModel where brackets, operators or blocks are nested deeper than any network needs."""
    chains = [0]  # operators so far in the expression of each open bracket
    for opened, closed, comma, line, operator in _TOKEN.findall(source):
        if opened:
            chains.append(0)
        elif closed:
            if len(chains) > 1:
                chains.pop()
        elif comma or (line and len(chains) == 1):
            chains[-1] = 0
        elif operator:
            chains[-1] += len(operator)
        if len(chains) > DEEPEST or chains[-1] > LONGEST or len(line) > INDENTED:
            raise UnsafeModel("the model's code is nested too deeply", where=path)
