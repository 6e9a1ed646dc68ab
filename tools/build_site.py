"""Build the page with the drawing board into build/site: `python tools/build_site.py [RUNS]` (make site).

RUNS is the folder of a λ path; without it, the page has the pretrained one. The page is static: any web server can
serve it, such as `python -m http.server -d build/site`. It takes onnxruntime-web from site/node_modules (`npm ci`
there).
"""

import argparse
import gzip
import hashlib
import json
import math
import shutil
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from pix2pix_colab import LambdaPath, load_pretrained
from pix2pix_colab.data import LABEL_COLOURS, example_label_maps
from pix2pix_colab.export import OnnxMissingError, export_parts
from pix2pix_colab.training import read_lambda_path
from pix2pix_colab.widgets import describe_positions, empty_wall

ROOT = Path(__file__).parent.parent
PAGE, WINGS = ROOT / "site", ROOT / "src/pix2pix_colab"
FILM = "film.json"  # by tools/film_training.py
NOT_OF_THE_PAGE = ("widget.js", "upload.js", "upload.css")  # but of notebooks
RUNTIME_FOLDER = PAGE / "node_modules/onnxruntime-web/dist"
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # of onnxruntime-web: CPU, one thread, SIMD
PRETRAINED = "It learned from 400 photos of facades and their label maps, the CMP Facade Database, in 76 epochs."
NAMES = (  # of the invitation, and of example_label_maps
    "a wall that lacks a window",
    "five floors above two shops",
    "five floors with balconies",
    "a house with shutters",
    "four floors between pillars",
    "two large windows above a shop",
    "three windows above a shop",
)
WALL = (  # class, x, y, width, height in 256ths
    ("facade", 0, 18, 256, 228),
    ("cornice", 0, 18, 256, 10),
    ("window", 40, 50, 38, 56),
    ("window", 109, 50, 38, 56),
    ("molding", 0, 128, 256, 6),  # without a ground floor, the network would stain the empty wall
    ("shop", 14, 160, 80, 80),
    ("door", 108, 160, 40, 80),
    ("shop", 162, 160, 80, 80),
)
LACKS = (178, 50, 38, 56)
CARD = "card.jpg"
COARSE = 42  # int8 weights are sent as multiples of this first: 3 bits each
BETWEEN, FRAME_STEP = 9, 5  # positions between two anchors; a frame that is shown during loading for every fifth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="?", type=Path, help="the folder of a λ path; default: the pretrained one")
    parser.add_argument("--about", help="a sentence for the page: what the path learned from")
    parser.add_argument("--out", type=Path, default=ROOT / "build/site")
    options = parser.parse_args()
    try:
        check(options.out)
        path, about = (read_lambda_path(options.runs), "") if options.runs else (load_pretrained(), PRETRAINED)
        if path.anchors[0].source_channels != 3:
            raise ValueError("The page draws label maps in colour, but this path has grey sources: take another.")
        partial = options.out.with_name(f"{options.out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        build(path, options.about or about, partial, film=not options.runs)
        shutil.rmtree(options.out, ignore_errors=True)
        partial.rename(options.out)
    except (ValueError, OSError, OnnxMissingError) as error:
        raise SystemExit(f"error: {error}") from error
    report(options.out)


def check(out: Path) -> None:
    """Raise ValueError, before anything is done, if the page can't be built."""
    if out.exists() and not (out / "site.json").is_file():
        raise ValueError(f"{out} is there, and is no page that was built before: choose another --out.")
    if not (RUNTIME_FOLDER / RUNTIME[1]).is_file():
        raise ValueError("There is no onnxruntime-web here: run `npm ci` in site/, or `make site`.")


def build(path: LambdaPath, about: str, out: Path, film: bool = False) -> None:
    """Write all files of the page, with ``film`` that of a training like the pretrained one."""
    copy_code(out)
    if film:
        copy(PAGE / FILM, out / FILM)
    with tempfile.TemporaryDirectory() as folder:
        for graph in export_parts(path, Path(folder)):
            content = graph.read_bytes()
            if graph.stem == "early":  # most of the bytes
                content, fine = split_weights(content)
                pack(fine, out / "model" / "early.fine.gz")
            pack(content, out / "model" / f"{graph.name}.gz")
    lambdas = path.grid(BETWEEN)
    positions = describe_positions(lambdas, path.lambdas)
    site = {  # described as Site in page.js
        "size": path.anchors[0].image_size,
        "classes": [{"name": name, "colour": colour} for name, colour in LABEL_COLOURS.items()],
        "fill": 0,
        "critic": path.discriminator is not None,
        "empty": empty_wall(path.anchors[0].image_size),
        "positions": [
            each | {"at": round(path.position(k), 4), "lambda": k if math.isfinite(k) else None}
            for each, k in zip(positions, lambdas, strict=True)
        ],
        "index": lambdas.index(100) if 100 in lambdas else 0,
        "examples": draw_examples(path, lambdas[::FRAME_STEP], out),
        "frameStep": FRAME_STEP,
        "training": about,
        "film": film,
        "files": {
            str(file.relative_to(out)): {"size": file.stat().st_size, "digest": digest(file)}
            for file in sorted(out.rglob("*.gz"))
        },
    }
    (out / "site.json").write_text(json.dumps(site), encoding="utf-8")
    write_service_worker(out)


def copy_code(out: Path) -> None:
    """Copy the page, the board's JavaScript and CSS, and the runtime."""
    for folder, to in ((WINGS / "widgets", "widgets"), (WINGS / "widgets/drawing", "widgets/drawing"), (PAGE, "")):
        for file in folder.iterdir():
            if file.suffix in (".css", ".js", ".svg") and file.name not in NOT_OF_THE_PAGE:
                copy(file, out / to / file.name)
    copy(RUNTIME_FOLDER / RUNTIME[0], out / "ort" / RUNTIME[0])
    pack((RUNTIME_FOLDER / RUNTIME[1]).read_bytes(), out / "ort" / f"{RUNTIME[1]}.gz")
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    html = html.replace("{{repository}}", urls["Repository"]).replace("{{page}}", urls["Page"])
    (out / "index.html").write_text(html, encoding="utf-8")


def copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)


def pack(content: bytes, to: Path) -> None:
    """Pack by gzip, which the page unpacks: not every server compresses."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(gzip.compress(content, mtime=0))


def split_weights(graph: bytes) -> tuple[bytes, bytes]:
    """Split a graph into one of coarse weights, which runs by itself, and what is to be added to its bytes, mod 256."""
    import onnx  # as the export does, which says how to install it

    model = onnx.load_from_string(graph)
    for constant in model.graph.initializer:
        if constant.data_type == onnx.TensorProto.INT8:
            weights = np.frombuffer(constant.raw_data, np.int8)
            constant.raw_data = (np.rint(weights / COARSE) * COARSE).astype(np.int8).tobytes()
    coarse = model.SerializeToString()
    return coarse, (np.frombuffer(graph, np.uint8) - np.frombuffer(coarse, np.uint8)).tobytes()


def digest(file: Path) -> str:
    """SHA-256 of what is in a file: a server may unpack it itself."""
    content = file.read_bytes()
    return hashlib.sha256(gzip.decompress(content) if file.suffix == ".gz" else content).hexdigest()


def draw_examples(path: LambdaPath, lambdas: list[float], out: Path) -> list[dict]:
    """Write some label maps, and for each a strip of its outputs along λ. Returns their addresses."""
    wall, place = invitation(path.anchors[0].image_size)
    source = torch.cat([wall[None], example_label_maps(path.anchors[0].image_size)])
    outputs = path.translate(source, lambdas)
    draw_card(source, list(outputs.values()), out)
    strips = torch.cat(list(outputs.values()), dim=3)  # side by side
    (out / "examples").mkdir()
    examples = []
    for i, (name, label_map, strip) in enumerate(zip(NAMES, source, strips, strict=True)):
        files = {"image": f"examples/{i}.png", "frames": f"examples/{i}.webp"}
        to_pil_image(label_map).quantize(64, dither=Image.Dither.NONE).save(out / files["image"], optimize=True)
        to_pil_image(strip.expand(3, -1, -1)).save(out / files["frames"], quality=75, method=4)
        examples.append({"name": name} | files)
    examples[0]["place"] = place
    return examples


def invitation(size: int) -> tuple[torch.Tensor, dict[str, int]]:
    """Paint a wall that lacks a window: its label map, uint8 (3, size, size), and the place of that window."""
    label_map = torch.tensor(LABEL_COLOURS["background"], dtype=torch.uint8)[:, None, None].repeat(1, size, size)
    for name, *box in (*WALL, ("", *LACKS)):
        x, y, width, height = (round(at * size / 256) for at in box)
        if name:
            label_map[:, y : y + height, x : x + width] = torch.tensor(LABEL_COLOURS[name])[:, None, None]
    return label_map, {"x": x, "y": y, "width": width, "height": height}


def draw_card(source: torch.Tensor, outputs: list[torch.Tensor], out: Path) -> None:
    """Draw what a link to the page is shown with: two label maps, and their outputs at the ends of λ and halfway."""
    columns = [source, outputs[0], outputs[len(outputs) // 2 + 1], outputs[-1]]
    rows = [torch.cat([column[i].expand(3, -1, -1) for column in columns], dim=2) for i in (1, 2)]
    card = to_pil_image(torch.cat(rows, dim=1)).resize((1200, 600), Image.Resampling.BICUBIC)
    card.save(out / CARD, quality=80)


def write_service_worker(out: Path) -> None:
    """Tell the service worker all files with their digests, and a name for this build, the digest of those."""
    worker = out / "offline.js"
    files = sorted(file for file in out.rglob("*") if file.is_file() and file not in (worker, out / CARD))
    digests = {str(file.relative_to(out)): digest(file) for file in files}
    digests["./"] = digests.pop("index.html")
    names = json.dumps(digests)
    build = hashlib.sha256(names.encode()).hexdigest()
    text = worker.read_text(encoding="utf-8").replace("{{build}}", build[:16]).replace("{{files}}", names)
    worker.write_text(text, encoding="utf-8")


def report(out: Path) -> None:
    """Print the sizes of what a browser loads, packed."""
    sizes = {"page and runtime": 0, "network": 0}
    for file in out.rglob("*"):
        if file.is_file():
            packed = file.suffix in (".gz", ".webp", ".png")
            size = file.stat().st_size if packed else len(gzip.compress(file.read_bytes()))
            sizes["network" if file.parent.name == "model" else "page and runtime"] += size
    print(f"{out}:", ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes.items()))


if __name__ == "__main__":
    main()
