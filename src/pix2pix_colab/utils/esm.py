"""One ES module of several, without a build tool: what anywidget takes, and what fits into one HTML page."""

import re
from pathlib import Path

_DOC_COMMENT = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/[ \t]*\n", re.M | re.S)
_IMPORT = re.compile(r'^import\s*{([^{}]*)}\s*from\s*"(\.{1,2}/[^"\n]+)";[ \t]*\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const|let)\b)", re.M)
_DECLARED = re.compile(r"^(export (?:default )?)?(?:async )?(?:function\*?|class|const|let|var)\s+([\w$]+|[{\[])", re.M)
_REFUSED = re.compile(r"^(?:import\b|export\b).*|\bimport\(.*", re.M)


def bundle(path: str | Path) -> str:
    """Join an ES module and all that it imports by relative path, each once, what is imported first.

    Of the imports only ``import { a, b } from "./x.js";`` is known, and all modules share one scope. ``export`` stays
    in the entry only; doc comments, which are for editors, are left out.

    Raises:
        ValueError: if a module is missing, imports in another way, in a circle, or what isn't exported; if two modules
            declare the same name at their top level.
    """
    entry, modules = Path(path).resolve(), {}
    _collect(entry, modules, ())
    owners = {}
    for file, text in modules.items():
        for _, name in _DECLARED.findall(text):
            if owners.setdefault(name, file) != file:
                raise ValueError(f"{_name(owners[name])} and {_name(file)} both declare {name}: rename one of them.")
    return "\n".join(text if file == entry else _EXPORT.sub("", text) for file, text in modules.items())


def _collect(file: Path, modules: dict[Path, str], importers: tuple[Path, ...]) -> set[str]:
    """Add the text of a module, without its imports, after those of what it imports. Returns what it exports."""
    if file in importers:
        raise ValueError(f"Modules import each other in a circle: {' → '.join(map(_name, (*importers, file)))}.")
    if not file.is_file():
        raise ValueError(f"There is no module {file}{f', as {_name(importers[-1])} imports it' if importers else ''}.")
    if file not in modules:
        text = _DOC_COMMENT.sub("", file.read_text(encoding="utf-8"))
        for names, target in _IMPORT.findall(text):
            imported = {name.strip() for name in names.split(",") if name.strip()}
            other = file.parent.joinpath(target).resolve()
            if missing := imported - _collect(other, modules, (*importers, file)):
                raise ValueError(
                    f"{_name(file)} imports {', '.join(sorted(missing))}: {_name(other)} has no such export."
                )
        modules[file] = _checked(_IMPORT.sub("", text), file, entry=not importers)
    return {name for exported, name in _DECLARED.findall(modules[file]) if exported}


def _checked(text: str, file: Path, entry: bool) -> str:
    """A module's text, if it can share its scope with others."""
    rest = re.sub("^export default ", "", text, flags=re.M) if entry else text
    if found := _REFUSED.search(_EXPORT.sub("", rest)):
        how = 'import { a, b } from "./x.js"; in a line of its own, and export in front of the declaration'
        raise ValueError(f"{_name(file)} has `{found[0]}`, which can't be bundled: write {how}.")
    if any(name in "{[" for _, name in _DECLARED.findall(text)):
        raise ValueError(f"{_name(file)} unpacks at its top level: declare each name by a statement of its own.")
    return text


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
