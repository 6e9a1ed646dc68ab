"""Figures of the notebooks and docs: image grids, plots, network diagrams and tables."""

from .image_grids import critic_grid, disagreement_grid, feature_grid, image_grid, lambda_grid, pair_grid
from .layer_tables import change_plot, generator_table, receptive_fields, weight_change
from .metric_plots import loss_curves, metric_plot, spectrum_plot, tradeoff_plot
from .notebook_cells import show_diagram, show_source, show_table
from .training_film import TrainingFilm
from .training_view import TrainingView
