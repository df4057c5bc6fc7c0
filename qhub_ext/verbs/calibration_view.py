"""What `calibration` does beside drawing a map: history, drift, a job's, a vendor's file in or out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.diagnosis.drift import drift_between
from qhub_ext.display.calibration_tables import drift_page, head, history_table, job_page, short
from qhub_ext.display.tables import Text
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.calibrations import Entry
from qhub_ext.service import calibrations
from qhub_ext.service.calibration_look import find_snapshot, job_look

if TYPE_CHECKING:
    from qhub_ext.verbs.surface import Surface

UNREAD_SHOWN = 20


def calibration_view(
    surface: Surface,
    device: str,
    *,
    metric: str,
    job: str | None,
    drift: str | None,
    most: int,
    history: bool,
    refresh: bool,
    export: Path | None,
    file: Path | None,
) -> Any:
    """None when nothing but the map is asked for. Raises InvalidOptionError for two things at once."""
    asked = {
        "--job": job is not None,
        "--drift": drift is not None,
        "--history": history,
        "--refresh": refresh,
        "--export": export is not None,
        "--import": file is not None,
    }
    chosen = [option for option, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise InvalidOptionError(f"{' and '.join(chosen)} are two questions.", advice="Ask one at a time.")
    settings = surface.service.settings
    if job is not None:
        found = surface.job(job)
        seen = calibrations.calibration_of(found.folder, found.record)
        name = short_id(found.id)
        return job_page(name, seen, job_look(name, seen, metric))
    if drift is not None:
        after = find_snapshot(device, settings.shelf)
        before = (
            calibrations.before(after, settings.shelf)
            if drift == "before"
            else _other(drift, after.device, settings.shelf)
        )
        return drift_page(before, after, drift_between(before, after), most)
    if history:
        device = device.partition("@")[0]
        entries = calibrations.history(device, settings.shelf)
        rows = [(e.digest, e.taken_at, _kept(e)) for e in entries]
        return history_table(calibrations.own_name(device), rows)
    if refresh:
        return _taken(calibrations.refresh(device, settings), "Asked")
    if file is not None:
        return _taken(calibrations.import_document(file, device, settings.shelf), "Read")
    if export is not None:
        name, _, digits = device.partition("@")
        snapshot = calibrations.export_document(name, export, settings.shelf, digits)
        text = f"Wrote the calibration {short(snapshot.id)} of {snapshot.device} ({snapshot.taken_at}) to {export}."
        return Text(text, head(snapshot) | {"file": str(export)})
    return None


def _kept(entry: Entry) -> str:
    if not entry.path.name:
        return "the installed package"
    return "shelf, of a virtual QPU" if entry.simulated else "shelf"


def _other(words: str, device: str, shelf: Path) -> Any:
    named = words.endswith(".json") or "@" in words or calibrations.is_known(words, shelf)
    return find_snapshot(words if named else f"{device}@{words}", shelf)


def _taken(found: calibrations.Imported, verb: str) -> Text:
    snapshot = found.snapshot
    lines = [
        f"{verb}: calibration {short(snapshot.id)} of {snapshot.device}, {snapshot.qubits} qubits, taken {snapshot.taken_at}."
    ]
    lines += [f"  not read: {sentence}" for sentence in found.unread[:UNREAD_SHOWN]]
    if len(found.unread) > UNREAD_SHOWN:
        lines.append(f"  ... and {len(found.unread) - UNREAD_SHOWN} more")
    return Text("\n".join(lines), head(snapshot) | {"unread": list(found.unread), "file": str(found.path)})
