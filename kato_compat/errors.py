"""The server's error codes, and the pymongo exceptions that carry them.

Every error that a MongoDB server would have sent is raised as pymongo's class with the server's `code` and
`codeName` (MongoDB manual: Error Codes). Codes without a name in that table are called ``Location<code>``, as the
server does.
"""

from typing import Any, Final

from pymongo.errors import OperationFailure

CODE_NAMES: Final[dict[int, str]] = {
    1: "InternalError",
    2: "BadValue",
    4: "NoSuchKey",
    5: "GraphContainsCycle",
    8: "UnknownError",
    9: "FailedToParse",
    11: "UserNotFound",
    13: "Unauthorized",
    14: "TypeMismatch",
    15: "Overflow",
    16: "InvalidLength",
    17: "ProtocolError",
    18: "AuthenticationFailed",
    20: "IllegalOperation",
    22: "InvalidBSON",
    26: "NamespaceNotFound",
    27: "IndexNotFound",
    28: "PathNotViable",
    31: "CommandNotSupported",
    34: "CannotBackfillArray",
    40: "ConflictingUpdateOperators",
    43: "CursorNotFound",
    48: "NamespaceExists",
    50: "MaxTimeMSExpired",
    52: "DollarPrefixedFieldName",
    53: "InvalidIdField",
    54: "NotSingleValueField",
    55: "InvalidDBRef",
    56: "EmptyFieldName",
    57: "DottedFieldName",
    59: "CommandNotFound",
    61: "ShardKeyNotFound",
    64: "WriteConcernFailed",
    66: "ImmutableField",
    67: "CannotCreateIndex",
    68: "IndexAlreadyExists",
    72: "InvalidOptions",
    73: "InvalidNamespace",
    85: "IndexOptionsConflict",
    86: "IndexKeySpecsConflict",
    96: "OperationFailed",
    111: "NotExactValueField",
    112: "WriteConflict",
    115: "CommandNotSupported",
    121: "DocumentValidationFailure",
    136: "CappedPositionLost",
    146: "ExceededMemoryLimit",
    159: "DurationOverflow",
    165: "ViewDepthLimitExceeded",
    166: "CommandNotSupportedOnView",
    167: "OptionNotSupportedOnView",
    168: "InvalidPipelineOperator",
    197: "InvalidIndexSpecificationOption",
    225: "TransactionTooOld",
    224: "QueryFeatureNotAllowed",
    238: "NotImplemented",
    241: "ConversionFailure",
    251: "NoSuchTransaction",
    263: "OperationNotSupportedInTransaction",
    280: "ChangeStreamFatalError",
    292: "QueryExceededMemoryLimitNoDiskUseAllowed",
    327: "IndexInformationTooLarge",
    334: "UnableToFindIndex",
    10334: "BSONObjectTooLarge",
    11000: "DuplicateKey",
    17280: "KeyTooLong",
}


def code_name(code: int) -> str:
    """The server's name of `code`; ``Location<code>`` where the server has none."""
    return CODE_NAMES.get(code) or f"Location{code}"


def fail(code: int, message: str, **details: Any) -> OperationFailure:
    """The `pymongo.errors.OperationFailure` that a server answering `code` would have caused; raise it.

    `details` are further fields of the server's reply (``keyPattern``, ``keyValue``).
    """
    reply = {"ok": 0.0, "errmsg": message, "code": code, "codeName": code_name(code), **details}
    return OperationFailure(message, code, reply)


def refused(what: str, reason: str) -> OperationFailure:
    """The error for something that MongoDB has and this library refuses on purpose, with its reason."""
    return fail(115, f"{what} is refused by kato_compat: {reason}")


def unbuilt(what: str) -> OperationFailure:
    """The error for something that MongoDB has and this library knows but has not built."""
    return fail(238, f"{what} is known to kato_compat but not implemented")
