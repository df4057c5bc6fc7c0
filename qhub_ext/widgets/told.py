"""What every widget says where no widget is shown: its text in a terminal, its HTML in nbconvert and on GitHub."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets


class ToldWidget(ipywidgets.VBox):
    """A subclass says itself in `to_text` and `to_html`."""

    def to_text(self) -> str:
        raise NotImplementedError

    def to_html(self) -> str:
        raise NotImplementedError

    def close(self) -> None:
        for part in self.parts():
            part.close()
        super().close()

    def parts(self) -> Iterable[ipywidgets.Widget]:
        """The widgets that this one is made of, and that end with it."""
        return self.children

    @property
    def closed(self) -> bool:
        return self.comm is None

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        view = super()._repr_mimebundle_(**options) or {}
        return {**view, "text/plain": self.to_text(), "text/html": self.to_html()}
