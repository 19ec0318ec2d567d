"""Replacing values in shell text by variables, so that the shell reads the same words from it as before.

A value inside single quotes or a quoted here-document would stay a literal ``${NAME}``: there the quotes are opened
around it, and the here-document is rewritten as one whose variables are filled in, with all else in it escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_DELIMITER = re.compile(r"<<(-?)[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|<>()'\"\\])+)")
_BASH_ONLY = re.compile(
    r"\[\[|\(\(|<\(|>\(|<<<|\$'|&>|\|&|[A-Za-z_]\w*\+?=\(|\+=|\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}|\$\{!|\$\{\w+(?:\[|/|\^|,|:\s*-?\d)"
    r"|(?:^|[;&|(\n]|\b(?:do|then|else)\b)\s*(?:function|source|declare|typeset|local|let|select|shopt|mapfile|readarray|pushd"
    r"|popd|dirs|enable|builtin|caller|compgen|coproc|disown|time)\b"
    r"|\bpipefail\b|\becho\s+-[neE]|\bprintf\s+-v|%q|\bread\s+-[^r\s]|\$(?:RANDOM|SECONDS|BASH\w*|EPOCH\w+)\b"
    r"|\$\{(?:RANDOM|SECONDS|BASH\w*|EPOCH\w+)|\[ [^\]]*==|\becho\b[^\n|;&]*\\|\bset\s+-[oE]"
    r"|\btrap\b[^\n]*\b(?:ERR|DEBUG|RETURN)\b"
)

_EXPANSION = re.compile(r"\$(?:\{[#!]?\w*|[A-Za-z_]\w*|[0-9@*#?$!-])")

Form = Callable[[re.Match[str]], str]


def needs_bash(script: str) -> bool:
    """Whether a plain ``sh`` may read it differently; rather once too often."""
    return _BASH_ONLY.search(script) is not None


def fill(text: str, find: re.Pattern[str], variable: Form, comment: Form = lambda match: match.group()) -> str:
    """The script with ``${variable(match)}`` in the place of each match, quoted as its place needs it.

    In a comment ``comment(match)`` stands instead. What follows a backslash is left as it is.
    """
    return _Filler(text, find, variable, comment).filled()


class _Filler:
    def __init__(self, text: str, find: re.Pattern[str], variable: Form, comment: Form) -> None:
        self.text, self.find, self.variable, self.comment = text, find, variable, comment
        self.out: list[str] = []
        self.frames: list[str] = []
        """What is open: ``"``, ``'``, ``$'``, ``)``, a backquote, ``}`` in plain text, ``"}`` inside double quotes."""
        self.waiting: list[tuple[int, str, bool, bool]] = []
        """Here-documents to come: where in ``out`` the delimiter stands, it, whether it is quoted, whether tabs go."""

    def filled(self) -> str:
        index = 0
        while index < len(self.text):
            match = self.find.match(self.text, index)
            if match and match.end() > index:
                self.out.append(self._in_place(self.variable(match)))
                index = match.end()
            else:
                index = self._step(index)
        return "".join(self.out)

    def _in_place(self, name: str) -> str:
        top = self.frames[-1] if self.frames else ""
        if top in ("'", "$'"):
            return f'\'"${{{name}}}"{top}'
        return f"${{{name}}}" if self._is_double() else f'"${{{name}}}"'

    def _is_double(self) -> bool:
        return bool(self.frames) and self.frames[-1] in ('"', '"}')

    def _keep(self, index: int, width: int) -> int:
        self.out.append(self.text[index : index + width])
        return index + width

    def _step(self, index: int) -> int:
        one, top = self.text[index], self.frames[-1] if self.frames else ""
        if top == "'" or (top == "$'" and one != "\\"):
            if one == "'":
                self.frames.pop()
            return self._keep(index, 1)
        if one == "\\":
            return self._keep(index, 2)
        if one == top[-1:] and top:
            self.frames.pop()
            return self._keep(index, 1)
        if one in '"`' or self.text.startswith("$(", index):
            return self._open(index)
        if (match := _EXPANSION.match(self.text, index)) is not None:
            # The name of a variable, whatever value it looks like.
            if match.group().startswith("${"):
                self.frames.append('"}' if self._is_double() else "}")
            return self._keep(index, len(match.group()))
        return self._keep(index, 1) if self._is_double() else self._plain(index)

    def _open(self, index: int) -> int:
        one = self.text[index]
        if one == '"':
            # Inside "${…}" a double quote ends nothing that matters here: what follows is quoted either way.
            self.frames.append('"')
            return self._keep(index, 1)
        if one == "`":
            self.frames.append("`")
            return self._keep(index, 1)
        self.frames.append(")")
        return self._keep(index, 2)

    def _plain(self, index: int) -> int:
        one = self.text[index]
        if one == "'" or self.text.startswith("$'", index):
            self.frames.append("'" if one == "'" else "$'")
            return self._keep(index, 1 if one == "'" else 2)
        if one == "(":
            self.frames.append(")")
        elif one == "#" and self._begins_word(index):
            return self._comment(index)
        elif self.text.startswith("<<<", index):
            return self._keep(index, 3)
        elif (match := _DELIMITER.match(self.text, index)) is not None and ")" not in self.frames[-2:-1]:
            return self._delimiter(match)
        elif one == "\n" and self.waiting:
            return self._documents(index)
        return self._keep(index, 1)

    def _begins_word(self, index: int) -> bool:
        before = self.text[index - 1] if index else "\n"
        return before in " \t\n;&|(" or (before == "`" and self.frames[-1:] == ["`"])

    def _comment(self, index: int) -> int:
        ends = "[\n`]" if "`" in self.frames else "\n"
        end = match.start() if (match := re.compile(ends).search(self.text, index)) else len(self.text)
        self.out.append(self.find.sub(self.comment, self.text[index:end]))
        return end

    def _delimiter(self, match: re.Match[str]) -> int:
        word = match.group(2)
        name = re.sub(r"['\"\\]", "", word)
        self.out.append(match.group()[: -len(word)])
        self.waiting.append((len(self.out), name, name != word, bool(match.group(1))))
        self.out.append(word)
        return match.end()

    def _documents(self, index: int) -> int:
        index = self._keep(index, 1)
        for place, name, is_quoted, strips in self.waiting:
            lines = []
            while index < len(self.text):
                end = self.text.find("\n", index)
                end = len(self.text) if end < 0 else end
                line, index = self.text[index:end], min(end + 1, len(self.text))
                lines.append(line + self.text[end:index])
                if (line.lstrip("\t") if strips else line) == name:
                    break
            body, end_line = "".join(lines[:-1]), lines[-1] if lines else ""
            if is_quoted and self.find.search(body):
                self.out[place] = name
                body = self._escaped(body)
            elif not is_quoted:
                body = self.find.sub(lambda match: f"${{{self.variable(match)}}}", body)
            self.out += [body, end_line]
        self.waiting.clear()
        return index

    def _escaped(self, body: str) -> str:
        """The body of a quoted here-document for one that is not quoted."""
        parts, last = [], 0
        for match in self.find.finditer(body):
            parts += [re.sub(r"[\\$`]", r"\\\g<0>", body[last : match.start()]), f"${{{self.variable(match)}}}"]
            last = match.end()
        return "".join(parts) + re.sub(r"[\\$`]", r"\\\g<0>", body[last:])
