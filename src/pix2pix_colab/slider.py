"""Names of ``widgets`` for notebooks saved before December 2026; kept until December 2027."""
