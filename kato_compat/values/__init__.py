"""BSON values: types, order, equality, numbers, paths, dates and regular expressions.

Values are what `bson.decode` gives with `INTERNAL` codec options: `int` for int32, `bson.Int64` for int64, naive
UTC `datetime` (or `DatetimeMS` outside its range), `dict` in field order, `list`, `Binary`/`bytes`, and so on.
`MISSING` stands for an absent field and never leaves the library.
"""
