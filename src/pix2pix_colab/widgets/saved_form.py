"""What a widget shows without a kernel, and when the kernel fails."""

from collections.abc import Callable
from uuid import uuid4

import ipywidgets
import traitlets
from IPython.display import HTML, display, update_display

# It waits beside the screen until a view has had the time to hide it: a page that is not on the screen decodes nothing.
# And it takes the place of JupyterLab's words about a widget that is gone.
FORM = """<div class="lambda-saved" data-form="{name}"><style>
.lambda-saved {{ animation: lambda-saved 1.5s step-end }}
@keyframes lambda-saved {{ from {{ position: fixed; left: -9999em }} }}
.jp-OutputArea-child:has(.lambda-saved) + .jp-OutputArea-child .jupyter-widgets:not(:has(*)) {{ display: none }}
</style>{html}</div>"""


class SavedForm(traitlets.HasTraits):
    """Mixin of widgets that display HTML above their view, which is seen where there is no view.

    That is so in a page that nbconvert made, in a notebook opened on another day, and where widgets don't work. The
    view hides it (``hideSaved`` in saved_form.js). It needs a cell's output: within other widgets there is none.
    """

    form = traitlets.Unicode().tag(sync=True)  # the name of the HTML
    _displayed = False

    @traitlets.default("form")
    def _name_form(self) -> str:
        return uuid4().hex

    def saved_html(self) -> str:
        """What a saved notebook shows."""
        raise NotImplementedError

    def update_saved(self) -> None:
        """Put what is to be shown now in the place of what was, wherever the widget is displayed."""
        if self._displayed:
            update_display(self._html(), display_id=self.form)

    def _html(self) -> HTML:
        return HTML(FORM.format(name=self.form, html=self.saved_html()))

    def _display_html(self) -> None:
        self._displayed = True
        display(self._html(), display_id=self.form)

    def _repr_mimebundle_(self, **options: object) -> dict | tuple[dict, dict]:
        self._display_html()
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})  # anywidget's has metadata for Colab
        return data | {"text/plain": ""}, metadata

    if hasattr(ipywidgets.Widget, "_ipython_display_"):  # ipywidgets 7, which knows no bundles

        def _ipython_display_(self, **options: object) -> None:
            self._display_html()
            super()._ipython_display_(**options)


def attempt(function: Callable[[], object], interrupted: str) -> tuple[object | None, str]:
    """Call a function for the browser: its result, or None and the sentence to show, or else the user would wait."""
    try:
        return function(), ""
    except KeyboardInterrupt:
        return None, interrupted
    except (ValueError, MemoryError) as error:
        return None, str(error)
    except Exception as error:
        return None, f"The kernel failed: {type(error).__name__}: {error}"
