"""The build hook: a wheel carries the console's built scripts and styles, so that its users need Python alone."""

import runpy
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetsHook(BuildHookInterface[Any]):
    """Builds `web/` before a wheel or an sdist is packed; an editable install is left to `make install`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the assets, unless the package is installed as it lies (`version` is "editable")."""
        if version != "editable":
            runpy.run_path(f"{self.root}/scripts/web.py")["build"](Path(sys.executable), Path(self.root))
