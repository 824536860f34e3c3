"""Running a parsed pipeline over a reader of documents.

The one place where stages are driven: the command's own pipeline and those inside `$facet`, `$lookup` and
`$unionWith` run here.
"""

from collections.abc import Iterator
from typing import Final

from kato_compat.ir.requests import Flow
from kato_compat.ir.stage import Documents, Environment, FlowRunning, Pipeline, Reader, Running, Starter

#: Documents a batch when a list in memory is read.
BATCH: Final = 1024


class ListReader:
    """A reader of documents that are in memory."""

    __slots__ = ("_documents", "_position")

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._position = 0

    def fetch(self) -> Flow[Documents | None]:
        """See `Reader.fetch`."""
        yield from ()
        start = self._position
        self._position = start + BATCH
        return self._documents[start : self._position] or None

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        yield from ()
        self._documents = []


class PipelineReader:
    """The documents that `pipeline` makes of those of `upstream`; a reader like it.

    Nothing is read before the first `fetch`. When a stage is done (`$limit`), or when all is read, or when a stage
    raises, `upstream` and the stages are closed. `starters`, from `prepared`, spare compiling the stages again.
    """

    __slots__ = ("_closed", "_running", "_upstream")

    def __init__(
        self,
        upstream: Reader,
        pipeline: Pipeline,
        environment: Environment,
        starters: tuple[Starter, ...] | None = None,
    ) -> None:
        self._upstream = upstream
        self._closed = False
        starters = prepared(pipeline, environment) if starters is None else starters
        self._running = [_Step(start()) for start in starters]

    def fetch(self) -> Flow[Documents | None]:
        """The next batch (not empty), None at the end (and from then on)."""
        if self._closed:
            return None
        try:
            batch = yield from self._next()
        except GeneratorExit:
            # The flow was dropped: no request can be made any more.
            self._close_stages()
            raise
        except BaseException:
            yield from self.close()
            raise
        if batch is None:
            yield from self.close()
        return batch

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        if self._closed:
            return
        self._closed = True
        try:
            for step in self._running:
                yield from step.release()
        finally:
            self._close_stages()
        yield from self._upstream.close()

    def _close_stages(self) -> None:
        self._closed = True
        for step in self._running:
            step.running.close()

    def _next(self) -> Flow[Documents | None]:
        # Pull from the last stage; `position` is the stage that is asked for a batch, -1 the upstream. A loop, not
        # a recursion: a pipeline may have 1000 stages.
        steps = self._running
        last = len(steps) - 1
        position = last
        while True:
            while position >= 0 and not steps[position].ending():
                position -= 1
            if position < 0:
                batch = yield from self._upstream.fetch()
            else:
                batch = yield from steps[position].rest()
            # Hand what was got (None: there is no more) to the stages after `position`.
            while position < last:
                step = steps[position + 1]
                if batch is None:
                    step.ended = True
                    position += 1
                    break
                batch = yield from step.push(batch)
                if not batch:
                    position += 1
                    break
                position += 1
            else:
                return batch


class _Step:
    """One running stage and whether its input has ended."""

    __slots__ = ("_rest", "ended", "running")

    def __init__(self, running: Running | FlowRunning) -> None:
        self.running = running
        self.ended = False
        self._rest: Iterator[Documents] | None = None

    def ending(self) -> bool:
        """True if no more is pushed into the stage."""
        return self.ended or self.running.done

    def push(self, batch: Documents) -> Flow[Documents]:
        running = self.running
        if isinstance(running, Running):
            return running.push(batch)
        return (yield from running.push(batch))

    def release(self) -> Flow[None]:
        if isinstance(self.running, FlowRunning):
            yield from self.running.release()

    def rest(self) -> Flow[Documents | None]:
        """A batch (not empty) of what is left when the input has ended, None when there is no more."""
        running = self.running
        if isinstance(running, Running):
            if self._rest is None:
                self._rest = running.finish()
            for batch in self._rest:
                if batch:
                    return batch
            return None
        return (yield from running.finish()) or None


def prepared(pipeline: Pipeline, environment: Environment) -> tuple[Starter, ...]:
    """What starts each stage of `pipeline` in `environment`, any number of times one after the other."""
    return tuple(stage.prepare(environment) for stage in pipeline.stages)


def run(
    documents: Documents, pipeline: Pipeline, environment: Environment, starters: tuple[Starter, ...] | None = None
) -> Flow[Documents]:
    """All that `pipeline` makes of `documents`."""
    return (yield from drain(PipelineReader(ListReader(documents), pipeline, environment, starters)))


def drain(reader: Reader) -> Flow[Documents]:
    """All documents that `reader` has still to give; a reader closes itself at the end and when it raises."""
    result: Documents = []
    while (batch := (yield from reader.fetch())) is not None:
        result.extend(batch)
    return result


class Feed:
    """A pipeline that is given its input batch by batch, and holds all that it gives out (`$facet`)."""

    __slots__ = ("_closed", "_steps", "documents")

    def __init__(self, starters: tuple[Starter, ...]) -> None:
        self._steps = [_Step(start()) for start in starters]
        self._closed = False
        self.documents: Documents = []

    def push(self, batch: Documents) -> Flow[None]:
        """Run `batch` through the stages."""
        if not any(step.running.done for step in self._steps):
            yield from self._pass(0, batch)

    def finish(self) -> Flow[Documents]:
        """Everything the pipeline gives out; the input has ended."""
        steps = self._steps
        position = 0
        while position < len(steps):
            # What comes before a stage that is done cannot change anything any more.
            position = max((i for i, step in enumerate(steps) if i > position and step.running.done), default=position)
            batch = yield from steps[position].rest()
            if batch is None:
                position += 1
            else:
                yield from self._pass(position + 1, batch)
        self.close()
        return self.documents

    def release(self) -> Flow[None]:
        """See `FlowRunning.release`."""
        for step in self._steps:
            yield from step.release()

    def close(self) -> None:
        """Give back what the stages hold; may be called twice."""
        if not self._closed:
            self._closed = True
            for step in self._steps:
                step.running.close()

    def _pass(self, position: int, batch: Documents) -> Flow[None]:
        for step in self._steps[position:]:
            batch = yield from step.push(batch)
            if not batch:
                return
        self.documents.extend(batch)
