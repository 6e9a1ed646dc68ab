"""A stand-in for Colab's own module, by which the package knows where it is."""
