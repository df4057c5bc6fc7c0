"""Devices, their calibration, and the quantum resources that stand for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qhub_ext.display.tables import Table
from qhub_ext.display.words import moment
from qhub_ext.tiers import catalog, site_devices
from qhub_ext.verbs.group import complete_device, facts_verb, verbs
from qhub_ext.verbs.surface import Surface


@verbs.command("devices")
@click.argument("device", required=False, shell_complete=complete_device)
@facts_verb
def devices_verb(surface: Surface, device: str | None) -> Table:
    """Devices: what each takes, age of its calibration, qubits, medians without dead or missing values."""
    found = [catalog.describe(device)] if device else catalog.list_devices(surface.service.settings.cache)
    others = [] if device else catalog.undescribed(found)
    takes = site_devices.takes([*(d.name for d in found), *others])
    rows = [
        (
            d.name, takes[d.name], str(d.qubits), d.family, d.snapshot_at[:10], _us(d.medians.get("t1_s")), _us(d.medians.get("t2_s")),
            _error(d.medians.get("readout_error")), _error(d.medians.get("two_qubit_error")), str(len(d.dead_edges)), str(d.max_shots or "–"),
        )
        for d in found
    ]  # fmt: skip
    rows += [(name, takes[name], *("–",) * 9) for name in others]
    return Table(
        (
            "device",
            "takes",
            "qubits",
            "family",
            "snapshot",
            "T1",
            "T2",
            "readout error",
            "2q error",
            "dead edges",
            "max shots",
        ),
        rows,
        facts=[{**d.to_json(), "takes": takes[d.name]} for d in found]
        + [{"name": name, "takes": takes[name]} for name in others],
        footer="Medians; dead (error 1) and missing values are left out. local and emulation take these snapshots; on qpu a device tells its own.",
    )


def _us(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e6:.0f} µs"


def _error(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}"


@verbs.command("calibration")
@click.argument("device", required=False, shell_complete=complete_device)
@click.option("--metric", default="readout", show_default=True, help="What colours the qubits: readout, 1q, t1 or t2.")
@click.option("--circuit", help="Draw where this transpiled circuit lies: a variable of the notebook, or a .qpy file.")
@click.option("--versus", default="", metavar="DEVICE|SNAPSHOT", help="Show the change since this one instead.")
@click.option("--job", metavar="JOB", help="What this job ran under, with the places that its tasks used.")
@click.option(
    "--drift",
    is_flag=False,
    flag_value="before",
    metavar="[SNAPSHOT]",
    help="List what moved since this one; default: the one before.",
)
@click.option(
    "-n", "--most", type=click.IntRange(1), default=12, show_default=True, help="Values to show with --drift."
)
@click.option("--history", is_flag=True, help="List the calibrations of the device that are known.")
@click.option("--refresh", is_flag=True, help="Ask the resource that stands for the device now.")
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), help="Write the vendor's own JSON here.")
@click.option(
    "--import", "file", type=click.Path(dir_okay=False, path_type=Path), help="Read a vendor's JSON, as QRMI gives it."
)
@facts_verb
def calibration_verb(
    surface: Surface, device: str | None, metric: str, circuit: str | None, versus: str, **asked: Any
) -> Any:
    """A device's newest known calibration as a map: each qubit and edge with its values and their ages.

    A snapshot is DEVICE@ID (the first digits of its id), or a file with one (.json).
    """
    from qhub_ext.verbs.calibration_view import calibration_view

    other = calibration_view(
        surface, device or surface.chosen().get("device") or surface.service.settings.device, metric=metric, **asked
    )
    if other is not None:
        return other
    from qhub_ext.service.calibration_look import look_at, read_circuit
    from qhub_ext.widgets.calibration import CalibrationMap

    wanted = device or surface.chosen().get("device") or surface.service.settings.device
    drawn = None if circuit is None else (circuit, read_circuit(circuit, surface.namespace))
    return CalibrationMap(look_at(wanted, surface.service.settings.shelf, metric=metric, circuit=drawn, versus=versus))


@verbs.command("resources")
@click.option("--ask", is_flag=True, help="Ask each for its state and queue; takes as long as the slowest answers.")
@facts_verb
def resources_verb(surface: Surface, ask: bool) -> Table:
    """Quantum resources of the tier qpu: what stands for which device, who named it, and why one cannot be used."""
    from qhub_ext.service.resources import list_states, standing

    settings = surface.service.settings
    brokered = settings.broker.shared is not None
    states = standing(settings) if brokered else list_states(settings.qpu, ask=ask)
    rows = [
        (
            s.name,
            s.device,
            s.type,
            s.takes,
            s.state,
            "–" if s.queue is None else str(s.queue),
            moment(s.next_calibration_at),
            s.source,
            " ".join(filter(None, (s.trouble, s.windows_trouble))),
        )
        for s in states
    ]
    virtual = settings.qpu.virtual_at(settings.site_of("qpu")) and not brokered
    stands_in = "a virtual QPU stands in: simulated, started on demand."
    nothing = "No quantum resource is named here"
    return Table(
        ("resource", "device", "type", "takes", "state", "queue", "calibration", "named by", "trouble"),
        rows,
        facts=[vars(s) for s in states],
        empty=f"{nothing}; for every device {stands_in}"
        if virtual
        else f"{nothing}. The settings are under `qpu` in qhub.toml.",
        footer=f"For any other device {stands_in}" if virtual else "",
        widths={"trouble": 100},
    )
