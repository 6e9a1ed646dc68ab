"""Training: the settings, the step, the loop, and the runs of a λ sweep (notebook 3)."""

from .checkpoint import load_checkpoint, save_checkpoint
from .config import TrainConfig
from .lambda_sweep import ProgressBar, read_sweep, sweep
from .loop import Progress, Run, find_run, read_run, train
from .run_folder import LOCK, PREVIOUS, FolderInUseError
from .step import Training
from .time_estimate import estimate_time
from .trunk_and_legs import lambda_path, path_configs
