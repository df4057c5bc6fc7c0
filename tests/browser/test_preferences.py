"""What a user has set for the page: the language, and which notices come up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.lab import Lab

FRENCH = {
    "Quantum jobs": ["Calculs quantiques"],
    "My jobs": ["Mes calculs"],
    "completed": ["terminé"],
    "failed": ["échoué"],
    "%1 has completed after %2": ["%1 est terminé après %2"],
    "cause: %1": ["cause : %1"],
    "your move": ["à vous de jouer"],
    "Cancel Job": ["Annuler le calcul", "Annuler %1 calculs"],
}
SILENT = {"started": False, "completed": True, "failed": False, "cancelled": False}


def language_pack(place: Path) -> Path:
    """A pack as jupyterlab-language-pack-fr-FR is one, of a few strings."""
    module = place / "jupyterlab_language_pack_fr_FR"
    messages = module / "locale" / "fr_FR" / "LC_MESSAGES"
    messages.mkdir(parents=True)
    (module / "__init__.py").touch()
    head = {"domain": "qhub_ext", "language": "fr-FR", "plural_forms": "nplurals=2; plural=(n > 1);", "version": "1"}
    (messages / "qhub_ext.json").write_text(json.dumps({"": head, **FRENCH}))
    told = place / "jupyterlab_language_pack_fr_FR-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: jupyterlab-language-pack-fr-FR\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[jupyterlab.languagepack]\nfr_FR = {module.name}\n")
    return place


def test_the_page_speaks_the_language_and_gives_the_notices_that_were_chosen(
    new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk], tmp_path: Path
) -> None:
    lab = new_lab(
        packages=language_pack(tmp_path),
        settings={"@jupyterlab/translation-extension:plugin": {"locale": "fr_FR"}, "qhub-ext:jobs": {"notify": SILENT}},
    )
    desk = desk_at(lab)
    page = desk.open()
    desk.run("qhub-ext:show-jobs")
    sidebar = page.get_by_role("region", name="Calculs quantiques")
    rows = sidebar.get_by_role("row")

    lab.submit("1/0", name="bound to fail", tier="local")
    expect(rows.filter(has_text="bound to fail")).to_contain_text("échoué")
    lab.submit("print(1)", name="bound to end", tier="local")
    toasts = page.locator(".Toastify__toast")
    expect(toasts.filter(has_text="bound to end")).to_contain_text("est terminé après")
    toasts.first.hover()  # keeps it from going
    expect(rows.filter(has_text="bound to end")).to_contain_text("terminé")
    expect(toasts).to_have_count(1)  # neither the two starts nor the failure before it

    rows.filter(has_text="bound to fail").click()
    about = page.locator(".qhub-Chosen")
    expect(about).to_contain_text("ZeroDivisionError")
    expect(about).to_contain_text("cause : code")
    expect(about).to_contain_text("à vous de jouer")
    labels = page.evaluate(
        "[1, 3].map(n => window.jupyterapp.commands.label('qhub-ext:cancel', { ids: Array(n).fill('x') }))"
    )
    assert labels == ["Annuler le calcul", "Annuler 3 calculs"]
