"""JavaScript and CSS of the widgets, each as one text, which is what anywidget takes and fits into one HTML page."""

import re
from pathlib import Path

_HERE = Path(__file__).parent
_DOC_COMMENT = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n", re.M | re.S)
_IMPORT = re.compile(r'^import\s*{[^{}]*}\s*from\s*"(\.{1,2}/[^"\n]+)";[ \t]*\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const|let)\b)", re.M)


def script(name: str) -> str:
    """An ES module of this folder and all that it imports, each once, what is imported first, in one scope.

    Only ``import { a, b } from "./x.js";`` is known. ``export`` stays in the entry only; doc comments are left out.
    """
    entry, modules = (_HERE / name).resolve(), {}

    def collect(file: Path) -> None:
        if file not in modules:
            text = _DOC_COMMENT.sub("", file.read_text(encoding="utf-8"))
            for target in _IMPORT.findall(text):
                collect((file.parent / target).resolve())
            modules[file] = _IMPORT.sub("", text)

    collect(entry)
    return "\n".join(text if file == entry else _EXPORT.sub("", text) for file, text in modules.items())


def style(name: str) -> str:
    """A CSS file of this folder, after that of the λ control."""
    return "".join((_HERE / each).read_text(encoding="utf-8") for each in ("lambda_control.css", name))
