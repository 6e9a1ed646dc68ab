"""What a notebook needs around its subject: the set-up cell, the workspace, Colab, and the backup on Drive."""

from .setup_cell import download_run, set_up
from .workspace import open_workspace
