"""The atomic step: checks on what Redis holds and, if all hold, the writes, in one Lua script.

It is optimistic locking in one round trip (Redis manual: Transactions, Scripting with Lua): a change that was
computed from what was read is made only if that is still what is there. Data reach the script as arguments only.
"""

from dataclasses import dataclass
from typing import Final

from kato_compat.ir.requests import Argument, Call, Command, Script

TRANSACT: Final = Script(
    "transact",
    """
local position = 1
local function take()
  local value = ARGV[position]
  position = position + 1
  return value
end
local function command()
  local count = tonumber(take())
  local words = {}
  for i = 1, count do words[i] = take() end
  return words
end
for check = 1, tonumber(take()) do
  local actual = redis.call(unpack(command()))
  if type(actual) == 'number' then actual = string.format('%d', actual) end
  local absent = type(actual) == 'table'
  if absent then
    for i = 1, #actual do absent = absent and not actual[i] end
    actual = nil
  end
  local holds = false
  for _ = 1, tonumber(take()) do
    local expected = take()
    local kind = string.sub(expected, 1, 1)
    if kind == '!' then
      holds = absent
    elseif kind == '-' then
      holds = holds or not actual
    elseif actual and kind == '=' then
      holds = holds or string.sub(expected, 2) == actual
    elseif actual and kind == '^' then
      holds = holds or string.sub(actual, 1, #expected - 1) == string.sub(expected, 2)
    end
  end
  if not holds then return check end
end
for _ = 1, tonumber(take()) do
  redis.call(unpack(command()))
end
return 0
""",
)


@dataclass(frozen=True, slots=True)
class Check:
    """A command and the replies of which one must come back for the step to be made.

    The command replies with a string, an integer or nil. An expectation is None for nil, `Prefix` for a beginning;
    `Absent` is for a list of nils.
    """

    command: Command
    expected: tuple["bytes | int | Prefix | Absent | None", ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """Any number of nils."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Any reply that begins with `data`."""

    data: bytes


def transact(checks: list[Check], commands: list[Command]) -> Call:
    """The call that makes all `commands` if all `checks` hold.

    Its reply is 0 if it did, else the number (from 1) of the first check that does not hold; then nothing changed.
    The commands must be ones that cannot fail once the checks hold.
    """
    arguments: list[Argument] = [len(checks)]
    for check in checks:
        arguments.append(len(check.command))
        arguments.extend(check.command)
        arguments.append(len(check.expected))
        for expected in check.expected:
            if expected is None:
                arguments.append(b"-")
            elif isinstance(expected, Absent):
                arguments.append(b"!")
            elif isinstance(expected, Prefix):
                arguments.append(b"^" + expected.data)
            elif isinstance(expected, int):
                arguments.append(b"=%d" % expected)
            else:
                arguments.append(b"=" + expected)
    arguments.append(len(commands))
    for command in commands:
        arguments.append(len(command))
        arguments.extend(command)
    return Call(TRANSACT, (), tuple(arguments))
