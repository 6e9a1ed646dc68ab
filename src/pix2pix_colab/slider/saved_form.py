"""What a saved notebook shows of a widget, where it has neither a kernel nor a widget manager."""

from uuid import uuid4

import traitlets
from IPython.display import HTML, display

VIEW = "application/vnd.jupyter.widget-view+json"
# It waits beside the screen until a view has had the time to hide it: a page that is not on the screen decodes nothing.
# And it takes the place of JupyterLab's words about a widget that is gone.
FORM = """<div class="lambda-saved" data-form="{name}"><style>
.lambda-saved {{ animation: lambda-saved 1.5s step-end }}
@keyframes lambda-saved {{ from {{ position: fixed; left: -9999em }} }}
.jp-OutputArea-child:has(+ .jp-OutputArea-child .lambda-saved) .jupyter-widgets:not(:has(*)) {{ display: none }}
</style>{html}</div>"""


class SavedForm(traitlets.HasTraits):
    """Mixin of widgets whose output has, beside the view, HTML that is seen where there is no view.

    That is so in a page that nbconvert made, in a notebook opened on another day, and where widgets don't work. The
    view hides it (``hideSaved`` in saved_form.js).
    """

    form = traitlets.Unicode().tag(sync=True)  # the name of the HTML
    _displayed = ()

    @traitlets.default("form")
    def _name_form(self) -> str:
        return uuid4().hex

    def saved_html(self) -> str:
        """What a saved notebook shows."""
        raise NotImplementedError

    def update_saved(self) -> None:
        """Put what is to be shown now in the place of what was, wherever the widget is displayed."""
        for displayed in self._displayed:
            displayed.update(self._html())

    def _html(self) -> HTML:
        return HTML(FORM.format(name=self.form, html=self.saved_html()))

    def _ipython_display_(self, **_) -> None:
        if self.comm:  # it is not closed
            make_bundle = getattr(
                self, "_repr_mimebundle_", dict
            )  # ipywidgets 7 has none, anywidget has metadata for Colab
            bundle = make_bundle()
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
            display({VIEW: view} | data | {"text/plain": ""}, metadata=metadata, raw=True)
        self._displayed = (*self._displayed, display(self._html(), display_id=True))
