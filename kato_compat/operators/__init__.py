"""The operators: one class each, with all its faces, registered by kind and name.

`load` imports every operator module, which registers them; nothing else lists them.
"""

import importlib
import pkgutil

_LOADED = False


def load() -> None:
    """Import every operator module once."""
    global _LOADED
    if _LOADED:
        return
    _LOADED = True
    for module in pkgutil.walk_packages(__path__, __name__ + "."):
        importlib.import_module(module.name)
