"""Opens JupyterLab on these notebooks, with the place of the demonstration: its jobs, its queue, its virtual QPU.

python notebooks/lab.py [OPTIONS OF jupyter lab]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jupyterlab.labapp import LabApp
from run import demo_config

HERE = Path(__file__).resolve().parent


def main() -> None:
    os.environ["QHUB_CONFIG"] = str(demo_config(HERE.parent / ".demo"))
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    LabApp.launch_instance([f"--ServerApp.root_dir={HERE}", "--LabApp.news_url=None", *as_root, *sys.argv[1:]])


if __name__ == "__main__":
    main()
