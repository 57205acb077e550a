# SPDX-License-Identifier: Apache-2.0
"""C text as tokens, and the functions in it. This is no parser: it relies on the layout that `make format` gives every file,
for example that a binary operator has a space on both sides and a unary one does not."""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<comment>/\*.*?\*/|//[^\n]*)"
    r"|(?P<string>(?:u8|[LuU])?\"(?:\\.|[^\"\\\n])*\")"
    r"|(?P<char>[LuU]?'(?:\\.|[^'\\\n])*')"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)"
    r"|(?P<operator>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\w\s])", re.S)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
CLOSES = {"(": ")", "[": "]", "{": "}"}
KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool "
    "_Static_assert static_assert __typeof__ typeof __attribute__".split())


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self):
        return self.start + len(self.text)


@dataclass(frozen=True)
class Function:
    """The tokens first..last are the body, braces included."""

    name: str
    first: int
    last: int
    returns: str  # the type's text without storage class: "bool", "const char *"


class Source:
    """A file's tokens without spaces, comments and preprocessor lines; `match` finds the other end of a bracket."""

    def __init__(self, text):
        self.text = text
        self.lines = text.splitlines()
        self.tokens = []
        self.match = {}
        self.inside = []  # for each token the index of the bracket that it is directly in, -1 outside of all
        self.line_starts = [0] + [i + 1 for i, c in enumerate(text) if c == "\n"]
        self._read()
        self._pair()
        self.functions = list(self._functions())

    def line(self, offset):
        """The number, from 1, of the line that holds the offset."""
        low, high = 0, len(self.line_starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self.line_starts[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1

    def line_text(self, number):
        return self.lines[number - 1]

    def spaced(self, index):
        """Whether there is white space on both sides of a token, which `make format` puts round binary operators alone."""
        token = self.tokens[index]
        return self.text[token.start - 1].isspace() and self.text[token.end:token.end + 1].isspace()

    def is_block(self, brace):
        """Whether an opening brace begins a block of statements, rather than the values of an initializer."""
        before = self.tokens[brace - 1] if brace else None
        if before is None or self.tokens[brace].text != "{":
            return False
        if before.text == ")" and brace - 1 in self.match:  # `if (x) {`, `f(int x) {`, `FOR_EACH(x) {`, or `(Type){`
            return self.tokens[self.match[brace - 1] - 1].kind == "name"
        if before.text == "{":
            return self.is_block(brace - 1)
        return before.text in (";", "}", ":", "(", "else", "do")

    def _read(self):
        at = 0
        while at < len(self.text):
            if at == 0 or self.text[at - 1] == "\n":
                found = PREPROCESSOR.match(self.text, at)
                if found:
                    at = found.end()
                    continue
            found = TOKEN.match(self.text, at)
            if not found:  # an unfinished comment or text: a compiler will say so
                at += 1
                continue
            if found.lastgroup not in ("space", "comment"):
                self.tokens.append(Token(found.lastgroup, found[0], at))
            at = found.end()

    def _pair(self):
        stack = []
        for i, token in enumerate(self.tokens):
            if token.kind == "operator" and token.text in CLOSES.values():
                if stack and CLOSES[self.tokens[stack[-1]].text] == token.text:
                    self.match[stack[-1]] = i
                    self.match[i] = stack.pop()
            self.inside.append(stack[-1] if stack else -1)
            if token.kind == "operator" and token.text in CLOSES:
                stack.append(i)

    def _functions(self):
        i = begin = 0
        while i < len(self.tokens):
            token = self.tokens[i]
            if token.text == ";":
                begin = i + 1
            elif token.text in CLOSES and token.kind == "operator":
                end = self.match.get(i, i)
                if token.text == "{":
                    function = self._function(begin, i, end)
                    if function:
                        yield function
                    if function or self.tokens[end].text == "}" and not self._declares(begin, i):
                        begin = end + 1
                i = end
            i += 1

    def _declares(self, begin, brace):
        return any(token.text in ("=", "struct", "union", "enum") for token in self.tokens[begin:brace])

    def _function(self, begin, brace, end):
        """`TYPE NAME(PARAMETERS) {`: None for a struct, an enum or an initializer."""
        head = range(begin, brace)
        if brace == begin or any(self.tokens[i].text == "=" for i in head) or self.tokens[brace - 1].text != ")":
            return None
        for i in head:
            if self.tokens[i].text == "(" and self.tokens[i - 1].kind == "name" and i > begin:
                words = [token.text for token in self.tokens[begin:i - 1]
                         if token.text not in ("static", "inline", "extern") and not re.fullmatch(r"_\w+_", token.text)]
                return Function(self.tokens[i - 1].text, brace, end, " ".join(words))
        return None
