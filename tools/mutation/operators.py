# SPDX-License-Identifier: Apache-2.0
"""The ways in which a function can be broken. Each operator looks at one token of a function and proposes replacements of a
piece of text. It may propose what does not compile; such a mutant is replaced by another one.

Left alone on purpose:
  comments, texts, preprocessor lines, initializers outside of functions    they are data or no code
  assertions, logging, fault points                                         they watch the behaviour, and are not part of it
  calls that only release something (free, unref, close)                    what breaks is found by LeakSanitizer in build-asan
"""

import re
from dataclasses import dataclass

from mutation.source import CLOSES, KEYWORDS, Source

QUIET = re.compile(r"(ASSERT|NEVER|assert|static_assert|_Static_assert|FAULT_\w+|LOG_\w+|log_\w+|err_trace\w*|sizeof)$")
RELEASES = re.compile(r"(.*_)?(free|freep|unref|deinit|close|closep|destroy|release)$")
COMPARISONS = {"==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"]}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&"}
ASSIGNMENTS = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<="}
STEPS = {"++": "--", "--": "++"}
LOGICAL = {"&&": "||", "||": "&&"}


@dataclass(frozen=True)
class Change:
    """Replaces text[start:end]. `place` groups the alternatives at one place, of which a draw takes one."""

    operator: str
    start: int
    end: int
    text: str
    place: int


def changes(source: Source):
    """All changes to all functions of a file, in order of place."""
    for function in source.functions:
        quiet_until = function.first
        for i in range(function.first + 1, function.last):
            token = source.tokens[i]
            if i < quiet_until:
                continue
            if token.kind == "name" and QUIET.match(token.text) and source.tokens[i + 1].text == "(":
                quiet_until = source.match.get(i + 1, i) + 1
                continue
            for operator in OPERATORS:
                for start, end, text in operator(source, function, i):
                    yield Change(operator.__name__.strip("_"), start, end, text, token.start)


# ---- operators: (source, function, index of a token) -> (start, end, replacement) ----


def comparison(source, _function, i):
    token = source.tokens[i]
    if token.kind == "operator" and token.text in COMPARISONS and source.spaced(i):
        for text in COMPARISONS[token.text]:
            yield token.start, token.end, text


def logical(source, _function, i):
    token = source.tokens[i]
    if token.kind == "operator" and token.text in LOGICAL and source.spaced(i):
        yield token.start, token.end, LOGICAL[token.text]


def arithmetic(source, _function, i):
    token = source.tokens[i]
    if token.kind != "operator" or not source.spaced(i) and token.text not in STEPS:
        return
    for table in (ARITHMETIC, ASSIGNMENTS, STEPS):
        if token.text in table:
            yield token.start, token.end, table[token.text]


def condition(source, _function, i):
    """What follows `if` and `while`, the middle of a `for`, what is in front of a question mark."""
    token = source.tokens[i]
    if token.text in ("if", "while") and source.tokens[i + 1].text == "(" and i + 1 in source.match:
        start, end = source.tokens[i + 1].end, source.tokens[source.match[i + 1]].start
        yield from _conditions(source, start, end, endless=token.text == "while")
    elif token.text == "for" and source.tokens[i + 1].text == "(" and i + 1 in source.match:
        stops = _at_depth(source, i + 2, source.match[i + 1], ";")
        if len(stops) == 2 and stops[1] > stops[0] + 1:
            start, end = source.tokens[stops[0] + 1].start, source.tokens[stops[1] - 1].end
            yield from _conditions(source, start, end, endless=True)
    elif token.text == "?":
        first = _begin_of_condition(source, i)
        if first < i:
            yield from _conditions(source, source.tokens[first].start, source.tokens[i - 1].end, endless=False)


def _conditions(source, start, end, endless):
    text = source.text[start:end]
    if text.strip() in ("true", "false", "1", "0", ""):
        return
    yield start, end, f"!({text})"
    yield start, end, "false"
    if not endless:
        yield start, end, "true"


def _at_depth(source, first, last, text):
    """Indices of the tokens with this text between first and last that are in no bracket."""
    found = []
    i = first
    while i < last:
        if source.tokens[i].text in CLOSES and source.tokens[i].kind == "operator":
            i = source.match.get(i, i)
        elif source.tokens[i].text == text:
            found.append(i)
        i += 1
    return found


def _begin_of_condition(source, question):
    """The first token of `c` in `c ? a : b`: behind the nearest opening bracket, assignment, comma or statement's begin."""
    i = question - 1
    while i >= 0:
        token = source.tokens[i]
        if token.kind == "operator":
            if token.text in CLOSES.values():
                if token.text == "}" or i not in source.match:
                    break
                i = source.match[i]
            elif token.text in CLOSES or token.text in (";", ",", "?", ":", "=") or token.text in ASSIGNMENTS:
                break
        elif token.text in ("return", "case"):
            break
        i -= 1
    return i + 1


def constant(source, _function, i):
    token = source.tokens[i]
    if token.kind == "name" and token.text in ("true", "false"):
        if source.tokens[i - 1].text != "return":
            yield token.start, token.end, "false" if token.text == "true" else "true"
        return
    if token.kind != "number" or _is_size_of_array(source, i):
        return
    found = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", token.text)
    if not found or source.tokens[i - 1].text == "return":
        return
    number = int(found[1], 0) if found[1] == "0" or not found[1].startswith("0") or found[1][1] in "xX" else int(found[1], 8)
    for other in (number + 1, number - 1):
        if other >= 0:
            yield token.start, token.end, f"{other}{found[2]}"


def _is_size_of_array(source, i):
    """In `char name[64]` the number only makes room. In `name[1]` it chooses an element."""
    while i > 0 and source.tokens[i].text not in ("[", ";", "{", "}", "("):
        i -= 1
    before = source.tokens[i - 2] if i > 1 else None
    return source.tokens[i].text == "[" and before is not None and (
        before.kind == "name" and (before.text not in KEYWORDS or before.text in ("char", "int", "unsigned", "long"))
        or before.text == "*" and not source.spaced(i - 2))


def returned(source, function, i):
    """Another value than the one that a function returns."""
    if source.tokens[i].text != "return":
        return
    stops = _at_depth(source, i + 1, function.last + 1, ";")
    if not stops or stops[0] == i + 1:
        return
    start, end = source.tokens[i + 1].start, source.tokens[stops[0] - 1].end
    text = source.text[start:end]
    if text in ("true", "false"):
        yield start, end, "false" if text == "true" else "true"
    elif function.returns == "bool":
        yield start, end, f"!({text})"
    elif function.returns.endswith("*"):
        if text != "NULL":
            yield start, end, "NULL"
    elif re.fullmatch(r"-?\d+", text):
        yield start, end, "1" if text == "0" else "0"
    elif re.fullmatch(r"(unsigned |signed )?(int|long|size_t|ssize_t|char|u?int\d+_t|unsigned|double)", function.returns):
        yield start, end, "0"


def dropped(source, function, i):
    """A statement that calls or assigns, `break`, `continue` and `goto`."""
    token = source.tokens[i]
    if not _begins_statement(source, i):
        return
    if token.text in ("break", "continue", "goto"):
        if token.text == "break" and source.tokens[i + 2].text in ("case", "default", "}"):
            return  # falls through with a warning, or leaves the last case of a switch as it is
        stop = _at_depth(source, i, function.last, ";")
        yield token.start, source.tokens[stop[0]].end, ";"
        return
    if token.kind == "name" and token.text in KEYWORDS or token.text in ("{", "}", ";") or _is_declaration(source, i):
        return
    if token.kind == "name" and RELEASES.match(token.text):
        return
    stops = _at_depth(source, i, function.last, ";")
    if not stops or any(source.is_block(j) for j in _outer(source, i, stops[0])):
        return  # `FOR_EACH(x) {`
    yield token.start, source.tokens[stops[0]].end, ";"


def _outer(source, first, last):
    """Indices between first and last that are in no bracket; an opening bracket is one of them, what it holds is not."""
    i = first
    while i < last:
        yield i
        if source.tokens[i].text in CLOSES and source.tokens[i].kind == "operator":
            i = source.match.get(i, i)
        i += 1


def _begins_statement(source, i):
    if not source.is_block(source.inside[i]):
        return False
    before = source.tokens[i - 1]
    if before.text == "}":
        return source.is_block(source.match.get(i - 1, -1)) and source.tokens[i].text not in CLOSES.values()
    if before.text in (";", "{", "else", "do"):
        return True
    if before.text == ":" and not _is_ternary_colon(source, i - 1):
        return True
    if before.text == ")" and i - 1 in source.match:
        return source.tokens[source.match[i - 1] - 1].text in ("if", "for", "while", "switch")
    return False


def _is_ternary_colon(source, colon):
    i = colon - 1
    while i > 0 and source.tokens[i].text not in (";", "{", "}", "case", "default"):
        if source.tokens[i].text == "?":
            return True
        i = source.match[i] if source.tokens[i].text in CLOSES.values() and i in source.match else i
        i -= 1
    return False


def _is_declaration(source, i):
    """`Type name`, `Type *name`, `_free_ char *name`."""
    if source.tokens[i].kind != "name":
        return False
    following = source.tokens[i + 1]
    if following.kind == "name":
        return True
    if following.text == "(" and i + 1 in source.match and source.tokens[i].text == "_cleanup_":
        return True
    return following.text == "*" and not source.spaced(i + 1)


OPERATORS = (comparison, logical, arithmetic, condition, constant, returned, dropped)
