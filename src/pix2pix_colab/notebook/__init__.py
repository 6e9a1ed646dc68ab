"""Notebook support: the set-up cell, the workspace, Colab, and the Drive backup."""

from .setup_cell import download_run, set_up
from .workspace import Workspace, open_workspace, real_facades
