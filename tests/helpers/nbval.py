"""nbval, as CI runs it."""

import os
import subprocess
from pathlib import Path


def run_nbval(
    python: Path | str, root: Path, notebooks: list[Path], variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """nbval on notebooks, their data and runs in ``root``; what it printed is shown if the test fails."""
    command = [python, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1200"]
    variables = variables or {"PIX2PIX_PRESET": "quick", "PIX2PIX_ROOT": str(root)}
    options = ["-p", "no:cacheprovider", "-q", "-x", *notebooks]
    done = subprocess.run([*command, *options], cwd=root, env=os.environ | variables, capture_output=True, text=True)
    print(done.stdout, done.stderr)
    return done
