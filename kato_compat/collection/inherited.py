"""What clients, databases and collections hand down: codec options, preferences and concerns (pymongo: common)."""

from typing import Any

from bson.codec_options import CodecOptions
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import _ServerMode
from pymongo.write_concern import WriteConcern

from kato_compat.options import refuse


class Options:
    """The options of one object, which those that it makes inherit. Raises `TypeError` for what is none."""

    def __init__(self, codec_options: Any, read_preference: Any, write_concern: Any, read_concern: Any) -> None:
        for name, value, kind in (
            ("codec_options", codec_options, CodecOptions),
            ("write_concern", write_concern, WriteConcern),
            ("read_concern", read_concern, ReadConcern),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be an instance of {kind.__name__}, not {type(value)}")
        if not isinstance(read_preference, _ServerMode):
            raise TypeError(f"{read_preference!r} is not valid for read_preference. See pymongo.read_preferences")
        self._codec_options: CodecOptions[Any] = codec_options
        self._read_preference = read_preference
        self._write_concern: WriteConcern = write_concern
        self._read_concern: ReadConcern = read_concern

    @property
    def codec_options(self) -> CodecOptions[Any]:
        """How documents are encoded and decoded."""
        return self._codec_options

    @property
    def read_preference(self) -> Any:
        """The read preference; there are no secondaries to prefer."""
        return self._read_preference

    @property
    def write_concern(self) -> WriteConcern:
        """The write concern: with w=0 results are unacknowledged and write errors are not raised."""
        return self._write_concern

    @property
    def read_concern(self) -> ReadConcern:
        """The read concern; reads see what was acknowledged."""
        return self._read_concern

    def watch(
        self,
        pipeline: Any = None,
        full_document: str | None = None,
        resume_after: Any = None,
        max_await_time_ms: int | None = None,
        batch_size: int | None = None,
        collation: Any = None,
        start_at_operation_time: Any = None,
        session: Any = None,
        start_after: Any = None,
        comment: Any = None,
        full_document_before_change: str | None = None,
        show_expanded_events: bool | None = None,
    ) -> Any:
        """Refused: there are no change streams."""
        raise refuse("watch")
