"""Tier and device of the notebook, to choose from. What is refused is said, and what was chosen before stays."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from qhub_ext.display.tables import Table
from qhub_ext.service.offers import TierOffer
from qhub_ext.tiers.device_summary import DeviceSummary
from qhub_ext.widgets.told import ToldWidget

Choose = Callable[[dict[str, Any]], str]
"""Takes {"tier": ..., "device": ...}, and answers with a sentence where it was refused, else with ""."""


class TierPicker(ToldWidget):
    def __init__(
        self, tiers: Sequence[TierOffer], devices: Sequence[DeviceSummary], chosen: Mapping[str, Any], choose: Choose
    ) -> None:
        self._tiers = {offer.name: offer for offer in tiers}
        self._devices = {device.name: device for device in devices}
        self._choose = choose
        self._quiet = False
        self._tier = ipywidgets.ToggleButtons(
            options=[(offer.title, offer.name) for offer in tiers],
            tooltips=[offer.why or f"Noise: {offer.noise}" for offer in tiers],
            description="Tier",
        )
        self._device = ipywidgets.Dropdown(
            options=[(f"{d.name} · {d.qubits} qubits", d.name) for d in devices], description="Device"
        )
        self._note = ipywidgets.HTML()
        super().__init__([self._tier, self._device, self._note])
        self.draw(chosen)
        for part in (self._tier, self._device):
            part.observe(self._picked, "value")

    def draw(self, chosen: Mapping[str, Any]) -> None:
        """`chosen` has tier and device, and whatever else holds for the notebook."""
        self.chosen = dict(chosen)
        self._quiet = True
        try:
            self._tier.value = chosen["tier"]
            if chosen["device"] in self._devices:
                self._device.value = chosen["device"]
        finally:
            self._quiet = False
        self.say(self._sentence())

    def say(self, sentence: str) -> None:
        self._note.value = f'<div role="status">{html.escape(sentence)}</div>'

    def _picked(self, _change: Any) -> None:
        if self._quiet:
            return
        refused = self._choose({"tier": self._tier.value, "device": self._device.value})
        if refused:
            self.draw(self.chosen)
            self.say(refused)

    def _sentence(self) -> str:
        offer, device = self._tiers[self.chosen["tier"]], self._devices.get(self.chosen["device"])
        errors = None if device is None else device.medians.get("two_qubit_error")
        told = f"Cells go to {offer.name}, {self.chosen['device']}; noise: {offer.noise}."
        if device is not None and errors is not None:
            told += f" Snapshot of {device.snapshot_at[:10]}, median two-qubit error {errors:.1e}."
        return told

    def to_text(self) -> str:
        marks = " ".join(f"[{name}]" if name == self.chosen["tier"] else f" {name} " for name in self._tiers)
        return f"{marks}   {self._sentence()}"

    def to_html(self) -> str:
        rows = [
            ("✓" if o.name == self.chosen["tier"] else "", o.name, o.noise, o.why or "open")
            for o in self._tiers.values()
        ]
        return f"{Table(('', 'tier', 'noise', ''), rows).to_html()}<div>{html.escape(self._sentence())}</div>"
