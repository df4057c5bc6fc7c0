"""The build hook: wheels and sdists carry the built front end, an editable install does without."""

import sys
import traceback
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import front

SHARE = f"share/jupyter/labextensions/{front.NAME}"


class FrontEndHook(BuildHookInterface):
    """Builds the front end where it is missing or older than its sources."""

    def dependencies(self) -> list[str]:
        """Node from PyPI, only where something is to be built and the machine has none."""
        # hatchling asks the same question for an editable install, which builds nothing
        editable = any(frame.name == "get_requires_for_build_editable" for frame in traceback.extract_stack())
        return [front.NODE_FROM_PYPI] if not editable and front.stale() and front.node_folder() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the built front end to what is packed."""
        if version == "editable":
            return
        if front.stale():
            try:
                front.build()
            except front.FrontEndError as error:
                self.app.abort(str(error))
        if self.target_name == "wheel":
            notebooks = front.HERE.parent / "notebooks"
            tutorials = [*sorted(notebooks.glob("[0-9][0-9]-*.ipynb")), *sorted(notebooks.glob("workflows/*.py"))]
            build_data["force_include"] |= {
                str(path): f"qhub_ext/notebooks/{path.relative_to(notebooks).as_posix()}" for path in tutorials
            }
            built = (path for path in front.BUILT.rglob("*") if path.is_file() and path != front.STAMP)
            build_data["shared_data"] |= {
                str(path): f"{SHARE}/{path.relative_to(front.BUILT).as_posix()}" for path in sorted(built)
            }
            build_data["shared_data"][str(front.HERE / "install.json")] = f"{SHARE}/install.json"
