"""Training: the settings, the step, the loop, and the runs of a λ sweep (notebook 3)."""

from .checkpoint import load_checkpoint, save_checkpoint
from .config import TrainConfig
from .lambda_sweep import ProgressBar, read_sweep, sweep
from .loop import DIGEST, Progress, Run, find_run, read_run, saved_config, train
from .run_folder import HISTORY, LOCK, NEWEST, PREVIOUS, FolderInUseError, RunFolder, load_newest
from .step import Training
from .time_estimate import estimate_time
from .trunk_and_legs import lambda_path, path_configs
