"""Training: the settings, the step, the loop, and the runs of a λ sweep (notebook 3)."""

from .checkpoint import load_checkpoint, save_checkpoint
from .config import TrainConfig
from .cuda_graph import CaptureError
from .interrupt import press_stop
from .lambda_path import read_lambda_path, train_lambda_path
from .lambda_sweep import ProgressBar, read_sweep, sweep
from .loop import Progress, train
from .run_copies import end_copies, resume_copies
from .run_folder import HISTORY, FolderInUseError, describe_copies, keep_copies, merge_runs
from .runs import NEWEST, PREVIOUS, Run, find_run, list_runs, load_newest, read_run
from .step import Training
from .time_estimate import TimeEstimate, estimate_time
