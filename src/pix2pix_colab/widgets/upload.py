"""Upload of an image: chosen, dropped or pasted, and shrunk by the browser before it is sent."""

import warnings
from collections.abc import Callable

import anywidget
import ipywidgets
import traitlets

from .assets import script, style
from .saved_form import SavedForm, attempt
from .widget import LambdaSlider


class ImagePicker(anywidget.AnyWidget):
    """A button for an image file, on which one can also be dropped or pasted. The kernel gets less than 400 kB of it.

    ``ipywidgets.FileUpload`` sends files as they are, and above a megabyte Colab's kernel is lost without a word
    (jupyter-widgets/ipywidgets#3452). So the browser shrinks it, to 1024 px and a JPEG, and only then sends a message
    with its bytes. What is small enough is sent as it is; so is what the browser can't open, as Pillow may.
    """

    _esm = script("upload.js")
    _css = style("upload.css")
    form = traitlets.Unicode().tag(sync=True)  # of the widget that it is part of
    message = traitlets.Unicode().tag(sync=True)  # shown beside the button


class ImageUpload(SavedForm, ipywidgets.VBox):
    """A button to upload an image, with the slider of that image below it. Nothing waits for it: "Run all" continues.

    ``compare`` makes a ``LambdaSlider`` of the bytes of an image file; its ValueErrors and MemoryErrors are shown.
    ``slider`` is that of the last image; None if there is none.
    """

    def __init__(self, compare: Callable[[bytes], LambdaSlider]):
        self.compare = compare
        self.slider: LambdaSlider | None = None
        self.picker = ImagePicker(form=self.form)
        self.picker.on_msg(lambda _, content, buffers: self.show(bytes(buffers[0])))
        super().__init__([self.picker])

    def show(self, image: bytes) -> None:
        """Show the slider of an image file's bytes, or a sentence. The slider before it is closed."""
        self.picker.message, before, self.slider = "Translating by every λ…", self.slider, None
        interrupted = "The kernel was interrupted: choose the image again."
        with warnings.catch_warnings(record=True) as told:  # nobody would see them
            warnings.simplefilter("always", UserWarning)
            self.slider, message = attempt(lambda: self.compare(image), interrupted)
        notes = [str(each.message) for each in told if str(each.message).startswith("The image ")]
        message = " ".join(filter(None, [message, *notes]))
        self.children = [self.picker, self.slider] if self.slider else [self.picker]
        self.picker.message = message
        if before and before is not self.slider:
            before.close()
        self.update_saved()

    def close(self) -> None:
        """Close it with what it consists of."""
        for child in getattr(self, "children", ()):
            child.close()
        super().close()

    def saved_html(self) -> str:
        """The slider's page, if there is one."""
        return self.slider.saved_html() if self.slider else "<p>To translate your own image, run this notebook.</p>"
