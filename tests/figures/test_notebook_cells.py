"""Tables and source code as output of notebook cells."""

import inspect

from pix2pix_colab.figures import show_source, show_table
from pix2pix_colab.loss import discriminator_loss
from pix2pix_colab.utils.markdown import markdown_table


def test_a_table_is_shown_as_markdown():
    rows = [{"layer": "encoder 1", "output": (64, 128, 128)}]
    assert show_table(rows)._repr_markdown_() == markdown_table(rows)


def test_source_code_is_shown_highlighted():
    code = show_source(discriminator_loss)
    assert code.data == inspect.getsource(discriminator_loss) and code.language == "python"
    assert 'class="highlight"' in code._repr_html_() and "discriminator_loss" in code._repr_html_()


def test_a_table_that_is_markdown_already_is_shown_as_it_is():
    assert show_table("| a |\n| --- |\n| 1 |")._repr_markdown_() == "| a |\n| --- |\n| 1 |"
