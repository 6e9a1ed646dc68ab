"""Where notebooks saved before 2026-12 look for ``set_up``; kept until 2027-12."""

from .notebook import set_up as set_up
