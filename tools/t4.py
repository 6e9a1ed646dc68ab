"""Check of the project on a T4, for a machine that is rented for it: `make t4` runs it on Colab.

One file without imports from the project, since it clones it. It prints a line at least once a minute, and ends with a
report in Markdown, for docs/results.md, and with exit code 0 if all went well. Settings are environment variables: REF,
PIX2PIX_REPOSITORY, GPU (what the device's name must hold), PAIRS, EPOCHS, WIDTH, EVERY (seconds between signs of life).
"""

import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

REPOSITORY = os.environ.get("PIX2PIX_REPOSITORY") or "https://github.com/pix2pix-colab/pix2pix-colab"
REF = os.environ.get("REF") or "main"
GPU = os.environ.get("GPU") or "T4"
PAIRS, EPOCHS, WIDTH = (
    os.environ.get(name) or usual for name, usual in (("PAIRS", "facades"), ("EPOCHS", "1"), ("WIDTH", "64"))
)
EVERY = float(os.environ.get("EVERY") or 30)
NBVAL = "python -m pytest -q --nbval-lax --nbval-current-env --nbval-cell-timeout=1200 notebooks"
TRAINING = f"{PAIRS} --width {WIDTH} --epochs {EPOCHS} --lambdas 0 100 inf"
SEEN = 'python -c "import torch; print(torch.cuda.get_device_name())"'  # else all of test_cuda.py would be skipped
QUERY = "nvidia-smi --query-gpu={} --format=csv,noheader,nounits"
END = None  # of a step's output


class Step(NamedTuple):
    """A step: its name, its command, how long it may take, and whether all others need it."""

    name: str
    command: str
    minutes: float
    needed: bool = False


class Done(NamedTuple):
    """A step that was taken: its exit code, seconds, peak memory of the GPU in MiB, and what it printed."""

    step: Step
    code: int
    seconds: float
    memory: int
    lines: list[str]


STEPS = [  # less than two hours in all, for which the machine is rented: the report comes at the end
    Step("clone", f"git clone --quiet {REPOSITORY} . && git checkout --quiet {REF} && git log -1 --format=%h", 3, True),
    Step("install", f"python -m pip install --quiet . nbval pytest && {SEEN}", 7, True),
    Step("test_cuda.py", "python -m pytest -q tests/training/test_cuda.py", 15),
    Step("step, width 64", f"python benchmarks/bench_step.py --width {WIDTH}", 10),
    Step("sweep", f"python -m pix2pix_colab sweep {TRAINING.replace(' ', ' runs/sweep ', 1)}", 15),
    Step("path", f"python -m pix2pix_colab path {TRAINING.replace(' ', ' runs/path ', 1)}", 15),
    Step("nbval, quick", NBVAL, 40),
]


def ask(what: str) -> list[str]:
    """One answer of nvidia-smi for each GPU; none if it isn't there."""
    done = subprocess.run(QUERY.format(what), shell=True, capture_output=True, text=True)
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def memory() -> int:
    """The memory in use on the GPUs together, in MiB."""
    return sum(int(each) for each in ask("memory.used") if each.isdigit())


def take(step: Step, folder: Path) -> Done:
    """Take a step: pass its output on, give a sign of life when there is none, and end it when its time is over."""
    print(f"\n== {step.name}: {step.command}", flush=True)
    start, peak, lines, heard = time.monotonic(), memory(), [], queue.Queue()
    variables = os.environ | {"PIX2PIX_PRESET": "quick", "PYTHONUNBUFFERED": "1", "TQDM_MININTERVAL": "20"}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(
        ["bash", "-c", step.command],
        cwd=folder,
        env=variables,
        text=True,
        errors="replace",
        start_new_session=True,
        **piped,
    )

    def listen() -> None:
        for line in process.stdout:
            heard.put(line.rstrip())
        heard.put(END)

    threading.Thread(target=listen, daemon=True).start()
    asked = start
    while True:
        try:
            line = heard.get(timeout=EVERY)
        except queue.Empty:
            line = f"… {step.name}, {(time.monotonic() - start) / 60:.1f} minutes, {memory():,} MiB of GPU memory"
        if line is END:
            break
        if time.monotonic() - asked > 2 or line.startswith("…"):
            asked, peak = time.monotonic(), max(peak, memory())
        lines.append(line)
        print(line, flush=True)
        if time.monotonic() - start > 60 * step.minutes:
            os.killpg(process.pid, 9)
            lines.append(f"It took more than {step.minutes:g} minutes, and was ended.")
            break
    return Done(step, process.wait(), time.monotonic() - start, peak, lines)


def report(name: str, taken: list[Done]) -> str:
    """What was found, as Markdown."""
    rows = ["| step | result | minutes | peak GPU memory, MiB |", "|---|---|---|---|"]
    for done in taken:
        result = "passed" if done.code == 0 else f"**failed ({done.code})**"
        rows.append(f"| {done.step.name} | {result} | {done.seconds / 60:.1f} | {done.memory:,} |")
    tails = [
        "\n".join([f"\n`{done.step.command}`\n", "```", *done.lines[-40 if done.code else -12 :], "```"])
        for done in taken
        if done.code or not done.step.needed
    ]
    return "\n".join([f"## {name}, {REF}", "", *rows, *tails])


def main() -> int:
    """Take all steps; the exit code is 1 if one failed, 2 if this is another GPU."""
    names = ask("name")
    if not any(GPU in name for name in names):
        print(f"This machine has {' and '.join(names) or 'no GPU'}, not a {GPU}: nothing was run. Try again later.")
        return 2
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for step in STEPS:
            taken.append(take(step, Path(folder)))
            if taken[-1].code and step.needed:
                break
    print("\n" + report(" and ".join(names), taken), flush=True)
    return int(any(done.code for done in taken))


if __name__ == "__main__":
    sys.exit(main())
