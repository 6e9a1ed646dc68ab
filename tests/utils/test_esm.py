"""Bundled modules do what they do apart, and what can't be bundled is refused with a sentence."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from pix2pix_colab.utils.esm import bundle

NODE = shutil.which("node")

MODULES = {
    "board/board.js": """
import { double } from "../lib/double.js";
import {
  LIMIT,
  limited,
} from "../lib/limit.js";

/** @param {import("../lib/limit.js").Size} size */
function show(size) {
  return `import { double } of ${double(limited(size))} from ${LIMIT}`;
}

export const shown = show(7);
export default { show };
""",
    "lib/double.js": """// Twice.
import { limited } from "./limit.js";

export async function later() {}

export const double = (size) => 2 * limited(size);
""",
    "lib/limit.js": """export const LIMIT = 5;
/**
 * @typedef {number} Size
 */

export function limited(size) {
  return Math.min(size, LIMIT);
}
""",
}


def write(folder: Path, modules: Mapping[str, str]) -> Path:
    """Write the modules; the first is the entry."""
    for name, text in modules.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder / next(iter(modules))


def test_each_module_is_there_once_after_what_it_imports(tmp_path):
    text = bundle(write(tmp_path, MODULES))
    order = [text.index(each) for each in ("const LIMIT", "function limited", "const double", "function show")]
    assert order == sorted(order) and text.count("const LIMIT") == text.count("const double") == 1


def test_only_the_entry_exports_and_nothing_is_imported(tmp_path):
    lines = bundle(write(tmp_path, MODULES)).splitlines()
    assert [line for line in lines if line.startswith("export")] == [
        "export const shown = show(7);",
        "export default { show };",
    ]
    assert not any(line.startswith("import") for line in lines) and "@typedef" not in "".join(lines)
    assert "// Twice." in lines and "async function later() {}" in lines


@pytest.mark.skipif(NODE is None, reason="There is no node here.")
def test_it_runs_as_the_modules_do_apart(tmp_path):
    entry = write(tmp_path, MODULES)
    (tmp_path / "bundled.mjs").write_text(bundle(entry), encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    said = []
    for module in (entry, tmp_path / "bundled.mjs"):
        code = "import(process.argv[1]).then((all) => console.log(all.shown, all.default.show(1), Object.keys(all)))"
        done = subprocess.run([NODE, "-e", code, module], capture_output=True, text=True, check=True)
        said.append(done.stdout)
    assert said[0] == said[1] == "import { double } of 10 from 5 import { double } of 2 from 5 [ 'default', 'shown' ]\n"


def test_one_module_alone_is_as_it_was(tmp_path):
    text = "// alone\nexport const a = 1;\nexport default { a };\n"
    assert bundle(write(tmp_path, {"a.js": text})) == text


HERE = 'import { a } from "./a.js";\n'
REFUSED = {
    "clash": (
        {"b.js": HERE + "function a1() {}\nlet x = 1;", "a.js": "export const a = 1, y = 2;\nclass x {}"},
        "b.js",
    ),
    "own name": ({"b.js": HERE + "const a = 2;", "a.js": "export const a = 1;"}, r"a\.js and .*/b\.js both declare a"),
    "circle": (
        {
            "c.js": HERE,
            "a.js": 'import { b } from "./b.js";\nexport const a = b;',
            "b.js": HERE + "export const b = a;",
        },
        r"in a circle: .*/c\.js → .*/a\.js → .*/b\.js → .*/a\.js",
    ),
    "itself": ({"a.js": HERE + "export const a = 1;"}, r"in a circle: .*/a\.js → .*/a\.js"),
    "missing module": ({"b.js": HERE}, r"There is no module .*/a\.js, as .*/b\.js imports it"),
    "missing export": ({"b.js": HERE, "a.js": "const a = 1;"}, r"b\.js imports a: .*/a\.js has no such export"),
    "renamed": ({"b.js": 'import { a as b } from "./a.js";\n', "a.js": "export const a = 1;"}, "b.js imports a as b"),
    "unpacked": ({"b.js": "const { a } = globalThis;"}, r"b\.js unpacks at its top level"),
    "default of another": ({"b.js": HERE, "a.js": "export const a = 1;\nexport default a;"}, "has `export default a;`"),
}
STATEMENTS = (
    'import a from "./a.js";',
    'import * as a from "./a.js";',
    'import "./a.js";',
    "import { a } from './a.js';",
    'import { a } from "a";',
    'import { a } from "https://example.org/a.js";',
    'const a = await import("./a.js");',
    'export { a } from "./a.js";',
    'export * from "./a.js";',
)


@pytest.mark.parametrize(("modules", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_together_is_refused(tmp_path, modules, sentence):
    with pytest.raises(ValueError, match=sentence):
        bundle(write(tmp_path, modules))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_other_ways_to_import_and_export_are_refused(tmp_path, statement):
    with pytest.raises(ValueError, match=r"/b\.js has `.*`, which can't be bundled: write import { a, b } from"):
        bundle(write(tmp_path, {"b.js": statement + "\n", "a.js": "export const a = 1;"}))


def test_a_missing_entry_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"There is no module .*/no\.js\."):
        bundle(tmp_path / "no.js")
