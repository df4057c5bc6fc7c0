"""axe-core, from the front end's own node_modules: what somebody with a screen reader or a keyboard would stumble over."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator

SOURCE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"

FIND = """async (node, excluded) => {
  const moving = node.getAnimations({ subtree: true }).filter(one =>
    one.playState === 'running' && Number.isFinite(one.effect.getComputedTiming().endTime));
  await Promise.allSettled(moving.map(one => one.finished));
  const exclude = excluded ? [...node.querySelectorAll(excluded)] : [];
  return (await axe.run({ include: [node], exclude })).violations;
}"""


def violations(place: Locator, *, of_a_cell: bool = False) -> list[str]:
    """One line for each rule that a part of `place` breaks. What a user's cell shows is the user's own, unless asked for."""
    if not place.page.evaluate("'axe' in window"):
        place.page.evaluate("source => { (0, eval)(source); }", SOURCE.read_text())
    exclude = "" if of_a_cell else ".jp-OutputArea-output, .cm-editor"
    found = place.evaluate(FIND, exclude)
    return [
        f"{one['id']} ({one['help']}): "
        + "; ".join(f"{' '.join(node['target'])} {node['failureSummary']}" for node in one["nodes"])
        for one in found
    ]
