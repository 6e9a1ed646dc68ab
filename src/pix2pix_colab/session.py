"""Set-up cell of notebooks saved before December 2026; kept until December 2027."""


def set_up(*_) -> None:
    """Raise ImportError: such a notebook imports modules that have moved."""
    raise ImportError(
        "This notebook was saved before December 2026, and the package has changed since. Open the current notebook by "
        "the badge at the top of this one: it finds your data and runs, also on Google Drive."
    )
