"""How deep a TorchScript file's source text goes.

torch's parser calls itself for every bracket and operator: a text made for it fills the stack and ends the process.
"""

from __future__ import annotations

import re
from pathlib import Path

from audit.errors import ModelError, UnsafeModel
from audit.runtimes._torchscript_pickles import BROKEN

DEEPEST = 200  # brackets within brackets; what torch writes has about ten
LONGEST = 2000  # operators in one expression
INDENTED = 400  # spaces before a line

# As torch's own reader cuts it. Every way on takes what it has seen, so that nothing is looked at again and again.
_TOKEN = re.compile(
    r"""
    (?: \"{3}(?:[^"\\]|\\.|"(?!""))*+\"{3} | '{3}(?:[^'\\]|\\.|'(?!''))*+'{3}  # texts: nothing
      | "(?!"")(?:[^"\\\n]|\\.)*+" | '(?!'')(?:[^'\\\n]|\\.)*+'
      | \#(?!\ type:)[^\n]*+ )  # comments too, but for those that torch reads
    | ([(\[{]) | ([)\]}]) | ([,;]) | (\n[ \t]*+)
    | (\.(?=[A-Za-z_])|[-+*/%@&|^~<>=!]++|\b(?:not|and|or|if|is|in|lambda)\b)
    | (["'])  # a text without end
    """,
    re.VERBOSE | re.DOTALL,
)


def check_nesting(source: str, path: Path) -> None:
    """How deep the text of one file goes.

    Raises:
        UnsafeModel: brackets, operators or blocks are nested deeper than any network needs.
        ModelError: a text in it has no end.
    """
    chains = [0]  # operators so far in the expression of each open bracket
    for token in _TOKEN.finditer(source):
        opened, closed, comma, line, operator, endless = token.groups(default="")
        if endless:
            raise ModelError(BROKEN, where=path)
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
