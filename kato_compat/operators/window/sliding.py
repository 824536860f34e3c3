"""Running a state over the windows of a partition: each value is taken in once where the state allows it."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from kato_compat.ir.accumulator import State
from kato_compat.ir.window import Column
from kato_compat.operators.accumulator.unary import gather
from kato_compat.operators.window.bounds import Window
from kato_compat.operators.window.moving import Removable
from kato_compat.values.order import ABSENT, NULL, SortKey, sort_key


def growing(values: list[Any], windows: Iterable[Window], start: Callable[[], State]) -> Column:
    """Results over windows that all begin at the first value and never shrink."""
    column: Column = []
    state = start()
    taken = 0
    result = state.result()
    for window in windows:
        end = 0 if window is None else window[1] + 1
        if end < taken:
            state, taken = start(), 0
            result = state.result()
        if end > taken:
            add = state.add
            for position in range(taken, end):
                add(values[position])
            taken = end
            result = state.result()
        column.append(result)
    return column


def moving(values: list[Any], windows: Iterable[Window], start: Callable[[], Removable]) -> Column:
    """Results over windows whose ends never go back."""
    column: Column = []
    state = start()
    low = high = 0  # what is in: from low to high, exclusive
    for window in windows:
        first, end = (low, low) if window is None else (window[0], window[1] + 1)
        if window is None:
            for position in range(low, high):
                state.remove(values[position])
            low = high
        else:
            if first >= high:
                for position in range(low, high):
                    state.remove(values[position])
                low = high = first
            for position in range(high, end):
                state.add(values[position])
            high = max(high, end)
            for position in range(low, first):
                state.remove(values[position])
            low = first
        column.append(state.result())
    return column


def anew(values: list[Any], windows: Iterable[Window], start: Callable[[], State]) -> Column:
    """Results over any windows, each from the beginning."""
    return [
        start().result() if window is None else gather(start(), values[window[0] : window[1] + 1]) for window in windows
    ]


def extreme(
    values: list[Any], windows: Iterable[Window], greatest: bool, order: Callable[[Any], SortKey] = sort_key
) -> Column:
    """The least or greatest value (null and missing left out, null if there is none) over moving windows.

    The queue holds the values that can still be the answer, best first: each value enters and leaves it once.
    """
    column: Column = []
    queue: deque[tuple[SortKey, int]] = deque()
    taken = 0
    for window in windows:
        if window is None:
            column.append(None)
            continue
        first, end = window
        for position in range(max(taken, first), end + 1):
            key = order(values[position])
            if key[0] == NULL or key[0] == ABSENT:
                continue
            while queue and (queue[-1][0] <= key if greatest else queue[-1][0] > key):
                queue.pop()
            queue.append((key, position))
        taken = max(taken, end + 1)
        while queue and queue[0][1] < first:
            queue.popleft()
        column.append(values[queue[0][1]] if queue else None)
    return column
