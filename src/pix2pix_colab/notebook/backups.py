"""Backups that run in this process: at most one for each folder."""

from pathlib import Path

from .drive_backup import DriveBackup

_running: dict[Path, DriveBackup] = {}
_ended: dict[Path, Path] = {}  # folders, and where they were backed up


def keep(folder: Path, place: Path | None) -> list[str]:
    """Back up a folder in a place from now on, and in no other; None ends its backup. Return what was restored."""
    backup = _running.get(folder)
    if backup and backup.place == place:
        return []
    if backup:
        _running.pop(folder).close()
    if not place:
        return []
    backup = DriveBackup(folder, place)
    restored = backup.start()
    _running[folder] = backup
    return restored


def keep_nothing() -> None:
    """End all backups."""
    for folder, backup in list(_running.items()):
        _ended[folder] = backup.place
        keep(folder, None)


def keep_again() -> list[str]:
    """Take up the backups that ``keep_nothing`` ended; return what was restored."""
    ended = list(_ended.items())
    _ended.clear()
    return [line for folder, place in ended if folder not in _running for line in keep(folder, place)]


def describe_backup(path: Path) -> str | None:
    """Copy what is new, and say what of a file or of the runs in a folder is in the backup now. None: it has none."""
    for folder, backup in _running.items():
        if path.is_relative_to(folder):
            return backup.describe(path)
    return None
