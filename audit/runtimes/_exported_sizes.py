"""Which texts in a torch.export file are expressions of sizes. sympy evaluates them as Python."""

from __future__ import annotations

import ast
import math
import re

# What an expression of sizes may call: sympy's numbers and arithmetic, and torch's own whole-number functions.
_FUNCTIONS = frozenset(
    [
        "Symbol",
        "Integer",
        "Float",
        "Rational",
        "Add",
        "Mul",
        "Pow",
        "Abs",
        "Max",
        "Min",
        "Mod",
        "floor",
        "ceiling",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
        "And",
        "Or",
        "Not",
        "FloorDiv",
        "CeilDiv",
        "CleanDiv",
        "ModularIndexing",
        "Where",
        "PythonMod",
        "PowByNatural",
        "FloatPow",
        "FloatTrueDiv",
        "IntTrueDiv",
        "FloorToInt",
        "CeilToInt",
        "TruncToInt",
        "TruncToFloat",
        "RoundToInt",
        "RoundDecimal",
        "ToFloat",
        "Identity",
        "LShift",
        "RShift",
        "IsNonOverlappingAndDenseIndicator",
    ]
)
_POWERS = ("Pow", "PowByNatural", "FloatPow", "LShift")  # 9 to the 9 to the 9 never ends
_PRODUCTS = (
    "Mul",
    "Mod",
    "FloorDiv",
    "CeilDiv",
    "CleanDiv",
    "IntTrueDiv",
    "FloatTrueDiv",
    "PythonMod",
    "ModularIndexing",
)
_SYMBOL = re.compile(r"[a-z]+\d+")  # a size is called s77, u0
_WORD = re.compile(r"\w{1,64}")
_DECIMAL = re.compile(r"-?\d{1,20}(?:\.\d{1,40})?(?:e[-+]?\d{1,2})?")
_LONGEST = 4096  # characters of an expression
_BITS = 64  # of a size
_MOST_BITS = 4096  # of a number that an expression could come to: some sixty sizes
_MOST_TERMS = 256  # that it could have when multiplied out
_PRECISION = 64  # digits or bits of a decimal number


def is_size(text: str) -> bool:
    """Whether a text, evaluated as Python, can do no more than a little arithmetic with named sizes."""
    try:
        tree = ast.parse(text, mode="eval") if len(text) < _LONGEST else None
        return tree is not None and _cost(tree.body) is not None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _cost(node: ast.expr) -> tuple[int, int]:
    """At most how many bits a part comes to, and how many terms multiplied out. Raises ValueError for anything else."""
    match node:
        case ast.Constant(value=None | int() | float() as value) if abs(value or 0) < 2**_BITS:
            return _BITS, 1
        case ast.Name(id=name) if _SYMBOL.fullmatch(name):
            return _BITS, 1
        case ast.UnaryOp(operand=operand):
            return _within([_cost(operand)])
        case ast.BinOp(left=left, op=op, right=right) if not isinstance(op, ast.Pow | ast.LShift | ast.MatMult):
            return _within([_cost(left), _cost(right)], product=not isinstance(op, ast.Add | ast.Sub))
        case ast.Compare(left=left, comparators=others):
            return _within([_cost(left), *map(_cost, others)])
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=named) if name in _FUNCTIONS:
            return _call(name, arguments, named)
    raise ValueError("no part of a size")


def _within(parts: list[tuple[int, int]], *, product: bool = False) -> tuple[int, int]:
    bits = sum(bits for bits, _ in parts)
    terms = (math.prod if product else sum)(terms for _, terms in parts)
    if bits > _MOST_BITS or terms > _MOST_TERMS:
        raise ValueError("too large for a size")
    return bits, terms


def _call(name: str, arguments: list[ast.expr], named: list[ast.keyword]) -> tuple[int, int]:
    if name in {"Symbol", "Integer", "Float", "Rational"} and any(_is_text(one) for one in arguments):
        return _of_text(name, arguments, named)
    if name == "Float" and len(arguments) + len(named) > 1:
        raise ValueError("a precision")
    given = [_cost(one) for one in (*arguments, *(one.value for one in named))]
    if name in _POWERS:
        exponent = _small(arguments[1:])
        return _within(given[:1] * max(exponent, 1), product=True)
    return _within(given, product=name in _PRODUCTS)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _of_text(name: str, arguments: list[ast.expr], named: list[ast.keyword]) -> tuple[int, int]:
    """A name or a number that is given as a text."""
    text, *others = arguments
    form = _WORD if name == "Symbol" else _DECIMAL
    settings = [*others, *(one.value for one in named)]
    if not isinstance(text, ast.Constant) or not form.fullmatch(str(text.value)):
        raise ValueError("no name and no number")
    if not all(isinstance(one, ast.Constant) and _is_setting(one.value) for one in settings):
        raise ValueError("no setting")
    return 2 * _BITS, 1


def _is_setting(value: object) -> bool:
    return value is None or (isinstance(value, int) and 0 <= value <= _PRECISION)


def _small(arguments: list[ast.expr]) -> int:
    """An exponent of up to 8."""
    match arguments:
        case [
            ast.Constant(value=int(n)) | ast.Call(func=ast.Name(id="Integer"), args=[ast.Constant(value=int(n))])
        ] if 0 <= n <= 8:
            return n
    raise ValueError("no small exponent")
