"""axe-core, from the front end's own node_modules: what somebody with a screen reader or a keyboard would stumble over."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator

SOURCE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"


# what a user's own cell shows is the user's own
FIND = """async node => {
  const exclude = [...node.querySelectorAll('.jp-OutputArea-output, .cm-editor')];
  return (await axe.run({ include: [node], exclude })).violations;
}"""


def violations(place: Locator) -> list[str]:
    """One line for each rule that a part of `place` breaks."""
    place.page.evaluate("source => { if (!window.axe) { (0, eval)(source); } }", SOURCE.read_text())
    found = place.evaluate(FIND)
    return [
        f"{one['id']} ({one['help']}): "
        + "; ".join(f"{' '.join(node['target'])} {node['failureSummary']}" for node in one["nodes"])
        for one in found
    ]
