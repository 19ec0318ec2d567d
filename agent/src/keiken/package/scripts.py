"""What can be seen of scripts and other files without running them."""

from __future__ import annotations

import re
import shlex

BUILTINS = frozenset(
    """. : [ alias bg break case cd command continue do done echo elif else esac eval exec exit export false fc fg fi
    for getopts hash if in jobs kill local printf pwd read readonly return set shift test then times trap true type
    ulimit umask unalias unset until wait while { } ! ( ) function select declare let source""".split()
)
"""What ``sh`` does itself, and its reserved words."""
INTERPRETERS = frozenset(
    "sh bash dash zsh python python3 perl ruby node php lua tclsh env xargs sudo su ssh nsenter chroot".split()
)
EVERYWHERE = frozenset(
    """sh cat cp mv rm ln ls mkdir rmdir chmod chown touch date echo printf test true false sleep sort uniq cut tr wc
    head tail tee grep sed awk find xargs dirname basename readlink cmp diff tar gzip gunzip env id uname mktemp stat dd
    od install sha256sum md5sum seq expr kill ps df du which nproc split join paste comm fold iconv""".split()
)
"""Found on every system that experiences are written for."""
FETCH_AND_RUN = re.compile(
    r"\b(?:curl|wget)\b[^\n|;&]{0,300}\|\s*(?:sudo\s+)?(?:ba|da|z)?sh\b|\b(?:ba|da|z)?sh\s+-c\s+\"?\$\((?:curl|wget)\b"
    r"|\beval\s+\"?\$\((?:curl|wget)\b"
)
_PREFIXES = ("if", "then", "while", "do", "!", "{", "(", "else", "elif", "until", "exec", "command", "time", "eval")
_WORD = re.compile(r"[A-Za-z0-9_./+-]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
_FUNCTION = re.compile(r"^\s*([A-Za-z_][\w-]*)\s*\(\)", re.M)
_MAGIC = {
    b"\x7fELF": "ELF", b"MZ": "Windows", b"\xcf\xfa\xed\xfe": "Mach-O", b"\xca\xfe\xba\xbe": "Java",
    b"\0asm": "WebAssembly",
}  # fmt: skip


def is_binary(content: bytes) -> bool:
    """Whether it is no text: it holds NUL, or is mostly no UTF-8."""
    head = content[:8192]
    return b"\0" in head or head.decode("utf-8", "replace").count("\ufffd") > max(8, len(head) // 4)


def executable_kind(content: bytes) -> str:
    """The kind of compiled program; empty for anything else."""
    return next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), "")


def is_script(path: str, text: str) -> bool:
    return text.startswith("#!") or path.endswith((".sh", ".py", ".pl", ".rb", ".js", ".ps1", ".bash"))


def is_read_as_code(path: str, text: str) -> bool:
    """What a machine or a language model follows: there nothing may hide."""
    return is_script(path, text) or path.endswith((".md", ".yaml", ".yml", ".json", ".toml", ".template"))


def commands(script: str) -> set[str]:
    """The commands that a shell script seems to use, without builtins and its own functions; a best effort."""
    text = _without_here_documents(script.replace("\\\n", " "))
    functions = set(_FUNCTION.findall(text))
    found = {name for part in _simple_commands(text) if (name := _first_word(part))}
    return found - BUILTINS - functions


def _without_here_documents(script: str) -> str:
    kept, end = [], ""
    for line in script.split("\n"):
        if end:
            end = "" if line.strip("\t ") == end else end
            continue
        kept.append(line)
        if match := _HEREDOC.search(line):
            end = match.group(2)
    return "\n".join(kept)


def _simple_commands(text: str) -> list[str]:
    """The text cut where the shell begins a new command, as far as quotes and substitutions can be followed."""
    parts, current, quote, index = [], "", "", 0
    outer: list[tuple[str, str, str]] = []
    """What closes each open bracket, the quote around it, and what stands for it in the command around it."""
    while index < len(text):
        one, width = text[index], 1
        opening = _opening(text, index) if quote != "'" else ""
        if quote != "'" and one == "\\":
            width, current = 2, current + text[index : index + 2]
        elif outer and not quote and one == outer[-1][0]:
            parts.append(current)
            _closing, quote, stand_in = outer.pop()
            current = stand_in + quote
        elif opening:
            parts.append(current + quote)
            outer.append((")" if opening == "$(" else "`", quote, "A=" if _assigns(current) else "true "))
            current, quote, width = "", "", len(opening)
        elif one in "'\"" and quote in ("", one):
            current, quote = current + one, "" if quote else one
        elif not quote and (one in "\n;|()" or _ends_with_ampersand(text, index)):
            # A bracket that closes nothing ends a pattern of `case`.
            parts.append("" if one == ")" else current)
            outer += [(")", "", "")] if one == "(" else []
            current = ""
        elif not quote and one == "#" and (not current or current[-1].isspace()):
            end = text.find("\n", index)
            width = (end if end > index else len(text)) - index
        else:
            current += one
        index += width
    return [*parts, current + quote]


def _assigns(part: str) -> bool:
    """Whether a substitution after this is the value of a variable, so that a command may still follow."""
    return part.rstrip("\"'").endswith("=") and all(_ASSIGNMENT.match(word) for word in part.split())


def _opening(text: str, index: int) -> str:
    """``$(`` or a backquote where a command substitution begins; arithmetic ``$((`` is none."""
    if text[index] == "`":
        return "`"
    return "$(" if text.startswith("$(", index) and not text.startswith("$((", index) else ""


def _ends_with_ampersand(text: str, index: int) -> bool:
    """A ``&`` ends a command, but not in ``2>&1`` and ``&>file``."""
    return text[index] == "&" and text[index - 1 : index] not in (">", "<") and text[index + 1 : index + 2] != ">"


def _first_word(part: str) -> str:
    try:
        words = shlex.split(part.strip(), comments=False)
    except ValueError:
        return ""
    while words and (words[0] in _PREFIXES or _ASSIGNMENT.match(words[0])):
        words = words[1:]
    if not words or words[0] in ("for", "case") or not _WORD.fullmatch(words[0]) or words[0].isdigit():
        return ""
    return words[0]
