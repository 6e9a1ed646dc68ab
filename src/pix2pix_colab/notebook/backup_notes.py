"""Notes of what a folder's backup holds, so that what the user deletes doesn't come back."""

import json
from contextlib import suppress
from pathlib import Path


class BackupNotes:
    """Notes of what was copied from a folder to a place, in a hidden file in the folder.

    They tell a deleted run from one that was never here. If the folder itself is gone, moved or not mounted, so are
    they, and nothing counts as deleted.

    Attributes:
        copied: of each run and file, by its path in the folder, its state when it was copied; of a run also its
            identity and step.
    """

    def __init__(self, folder: Path, place: Path):
        self.file, self.place = folder / ".backup.json", place
        self.copied: dict[str, dict] = {}

    def read(self) -> None:
        """Read what an earlier process wrote, unless the place is another one, or was emptied."""
        with suppress(FileNotFoundError, ValueError, TypeError, KeyError):  # none, damaged, or of another version
            notes = json.loads(self.file.read_text())
            if notes["version"] == 1 and notes["place"] == str(self.place) and any(self.place.iterdir()):
                self.copied = dict(notes["copied"])

    def forget_if_gone(self) -> None:
        """Forget everything if the file is gone, and with it the folder that it was in."""
        if not self.file.exists():
            self.copied = {}

    def note(self, path: str, copied: dict | None) -> None:
        """Note that a run or file was copied, or with None that it was deleted."""
        self.copied.pop(path, None)
        if copied:
            self.copied[path] = copied
        self.write()

    def write(self) -> None:
        """Write the file. Not atomically: another kernel may write it, too, and a damaged one does no harm."""
        if self.file.parent.is_dir():
            notes = {"version": 1, "place": str(self.place), "copied": self.copied}
            self.file.write_text(json.dumps(notes, indent=1))
