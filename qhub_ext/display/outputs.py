"""Shows the saved outputs of a job here, as its kernel would have shown them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def display_outputs(outputs: Sequence[dict[str, Any]]) -> None:
    """In a kernel the MIME bundles are displayed; elsewhere their plain text is printed."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            stream = sys.stderr if output["name"] == "stderr" else sys.stdout
            stream.write(output["text"])
            stream.flush()
        elif kind in ("display_data", "execute_result"):
            if shell is not None:
                shell.display_pub.publish(data=output["data"], metadata=output.get("metadata", {}))
            else:
                sys.stdout.write(str(output["data"].get("text/plain", "")) + "\n")
        elif kind == "error":
            sys.stderr.write("\n".join(output["traceback"]) + "\n")


def outputs_text(outputs: Sequence[dict[str, Any]]) -> str:
    parts = []
    for output in outputs:
        if output["output_type"] == "stream":
            parts.append(output["text"])
        elif output["output_type"] == "error":
            parts.append("\n".join(output["traceback"]) + "\n")
        else:
            parts.append(str(output["data"].get("text/plain", "")) + "\n")
    return "".join(parts)
