"""How many examples the properties run: few and the same ones by default, many and new ones on request.

``KATO_COMPAT_EXAMPLES`` is the number for each property; with it, examples are drawn anew in every run.
"""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, Phase, settings

VARIABLE: Final = "KATO_COMPAT_EXAMPLES"
F = TypeVar("F", bound=Callable[..., Any])


def examples(default: int) -> Callable[[F], F]:
    """Decorator: the settings of a property that runs `default` examples where nothing else is asked."""
    asked = os.environ.get(VARIABLE)
    chosen = settings(
        max_examples=default if asked is None else int(asked),
        derandomize=asked is None,
        database=None,
        deadline=None,
        # Shrinking a failure may take minutes: only where time was asked for.
        phases=(Phase.explicit, Phase.generate) if asked is None else tuple(Phase),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    return lambda function: chosen(function)
