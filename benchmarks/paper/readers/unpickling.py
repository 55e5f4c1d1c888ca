"""Read pickles of plain data, NumPy arrays and builtins, without running anything that the file holds.

A pickle is a program. `pickle.Unpickler`, even with a narrow `find_class`, still builds what the program asks for: it
sets attributes of what it was allowed to name, reserves as much memory as a number in the file says, and hashes keys
nested deep enough to overflow the stack. So the file is read by `pickletools`, which only separates the instructions,
and a machine of the few instructions that data needs carries them out. It knows seven names, none of which is
looked up anywhere: each stands for a few lines in this file. Everything else is refused by its name.

Text of Python 2 comes back as bytes, as with `pickle.load(file, encoding="bytes")`; in protocol 0 it must be ASCII.
Arrays are views of the bytes of the file, and read-only.
"""

from __future__ import annotations

import math
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tammes.base.errors import FileFormatError

__all__ = ["MAX_INSTRUCTIONS", "loads"]

MAX_INSTRUCTIONS = 5_000_000
"""Default limit; CIFAR-100 has some 200,000. An empty list is one byte of a file, and 56 in memory."""

_DTYPE = re.compile(r"[|<>=]?(?:b1|[iu][1248]|f[248])")
_TEXT = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_PYTHON_2_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING"}  # `pickletools` hands them on as Latin-1
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_NAMES = {
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy.core.multiarray scalar": "scalar",
    "numpy._core.multiarray scalar": "scalar",
    "numpy.core.numeric _frombuffer": "frombuffer",
    "numpy._core.numeric _frombuffer": "frombuffer",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    "builtins bytes": "bytes",
}
_PLAIN = (type(None), bool, int, float, str, bytes, np.ndarray, np.generic)


class _Mark:
    """Marks where the items of a list, tuple or dict begin on the stack."""


class _Name:
    """One of the few names that a file may use, as an argument or a function; never part of the result."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Unfinished:
    """An array or a kind of number whose state is still to come."""

    def __init__(self, kind: str, dtype: str = "") -> None:
        self.kind = kind
        self.dtype = dtype
        self.numbers: list[int] = []
        """Under which the memo knows it."""


class _RefusedError(Exception):
    """The reason why a file is refused; the message adds its name."""


def loads(content: bytes, source: str | Path, *, max_instructions: int = MAX_INSTRUCTIONS) -> Any:
    """Return the content of a pickle of plain data.

    Plain are None, truth values, numbers, text, bytes, lists, tuples, dicts and NumPy arrays of numbers.

    Memory stays below a small multiple of the size of the content, which the caller bounds.

    Args:
        content: a pickle of any protocol, also of Python 2.
        source: where it is from; errors begin with it.
        max_instructions: the most that are carried out.

    Raises:
        FileFormatError: if it is damaged, or names or does anything that data needs not.
    """
    try:
        return _Machine(content, max_instructions).run()
    except _RefusedError as error:
        reason = f"not a pickle of plain data: {error}"
    except (ValueError, OverflowError, EOFError, IndexError, KeyError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())[:100]
        reason = f"not a whole pickle ({said or type(error).__name__})"
    except MemoryError:
        reason = "not a whole pickle (it asks for more memory than there is)"
    raise FileFormatError(source, reason)


class _Machine:
    """The stack and the memo of one file."""

    def __init__(self, content: bytes, max_instructions: int) -> None:
        self.content = content
        self.max_instructions = max_instructions
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.encoded = 0  # bytes made from text so far: a memoised text must not be made into bytes again and again

    def run(self) -> Any:
        for steps, (opcode, argument, position) in enumerate(pickletools.genops(self.content)):
            if steps >= self.max_instructions:
                raise _RefusedError(f"it holds more than {self.max_instructions:,} instructions")
            if opcode.name == "STOP":
                end = int(position or 0) + 1
                if end != len(self.content):
                    raise _RefusedError(f"{len(self.content) - end} bytes follow its end")
                break
            self.step(opcode.name, argument)
        found = self.stack.pop()
        if self.stack:
            raise _RefusedError("it ends with things left over")
        check_plain(found)
        return found

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        stack = self.stack
        if name in _NUMBERS or name in _TEXT:
            stack.append(argument)
        elif name in _BYTES:
            stack.append(bytes(argument))
        elif name in _PYTHON_2_TEXT:
            stack.append(argument.encode("latin-1"))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in {"PROTO", "FRAME"}:
            pass
        elif name in _PUT:
            self.remember(argument)
        elif name == "MEMOIZE":
            self.remember(len(self.memo))
        elif name in _GET:
            stack.append(self.memo[argument])
        elif name == "MARK":
            stack.append(_Mark())
        elif name in {"EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"}:
            stack.append({"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}[name]())
        elif name in {"TUPLE", "LIST"}:
            items = self.marked()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name in {"TUPLE1", "TUPLE2", "TUPLE3"}:
            items = self.popped(int(name[-1]))
            stack.append(tuple(items))
        elif name in {"APPEND", "APPENDS"}:
            items = self.marked() if name == "APPENDS" else self.popped(1)
            self.top(list).extend(items)
        elif name == "DICT":
            items = self.marked()
            stack.append({})
            self.fill(items)
        elif name in {"SETITEM", "SETITEMS"}:
            self.fill(self.marked() if name == "SETITEMS" else self.popped(2))
        elif name in {"GLOBAL", "STACK_GLOBAL"}:
            self.name(argument if name == "GLOBAL" else self.said())
        elif name == "REDUCE":
            function, arguments = self.popped(2)
            stack.append(self.call(function, arguments))
        elif name == "BUILD":
            unfinished, state = self.popped(2)
            self.finish(unfinished, state)
        else:
            raise _RefusedError(f"it holds the instruction {name}, which data needs not")

    def remember(self, number: int) -> None:
        self.memo[number] = self.stack[-1]
        if isinstance(self.stack[-1], _Unfinished):
            self.stack[-1].numbers.append(number)

    # --- the stack -----------------------------------------------------------------------------------------

    def popped(self, count: int) -> list[Any]:
        """So many from the top, the uppermost last."""
        items = self.stack[len(self.stack) - count :]
        if len(items) != count or any(isinstance(item, _Mark) for item in items):
            raise _RefusedError("an instruction finds less than it needs")
        del self.stack[len(self.stack) - count :]
        return items

    def marked(self) -> list[Any]:
        """Pop all above the last mark, and the mark."""
        for depth in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[depth], _Mark):
                items = self.stack[depth + 1 :]
                del self.stack[depth:]
                return items
        raise _RefusedError("an instruction finds no mark")

    def top(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise _RefusedError(f"an instruction finds no {kind.__name__}")
        return self.stack[-1]

    def fill(self, items: list[Any]) -> None:
        """Keys and values in turn into the dict on the top."""
        table = self.top(dict)
        if len(items) % 2:
            raise _RefusedError("a key has no value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in {str, bytes, int, bool}:  # the hash of nested tuples can overflow the stack
                raise _RefusedError(f"a key is a {type(key).__name__}, not text or a number")
            table[key] = value

    # --- the names, and what stands behind them ----------------------------------------------------------------

    def said(self) -> str:
        module, name = self.popped(2)
        if type(module) is not str or type(name) is not str:
            raise _RefusedError("it names something by no text")
        return f"{module} {name}"

    def name(self, said: str) -> None:
        if said not in _NAMES:
            shown = re.sub(r"[^\x20-\x7e]", "?", said.replace(" ", "."))[:80]
            raise _RefusedError(f"it names {shown}, which could run code")
        self.stack.append(_Name(_NAMES[said]))

    def call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Name) or type(arguments) is not tuple:
            raise _RefusedError(f"it calls a {type(function).__name__}")
        if function.name == "reconstruct":
            if len(arguments) != 3 or not is_name(arguments[0], "ndarray"):
                raise _RefusedError("it makes an array that is none of NumPy's own")
            return _Unfinished("array")
        if function.name == "dtype":
            code = text(arguments[0]) if arguments else None
            if code is None or not _DTYPE.fullmatch(code):
                shown = "nothing" if code is None else repr(code[:20])
                raise _RefusedError(f"it holds an array of {shown}, not of numbers")
            return _Unfinished("dtype", code)
        if function.name == "scalar" and len(arguments) == 2:
            return array(dtype_of(arguments[0]), (), arguments[1], "C")[()]
        if function.name == "frombuffer" and len(arguments) == 4 and text(arguments[3]) in {"C", "F"}:
            return array(dtype_of(arguments[1]), arguments[2], arguments[0], str(text(arguments[3])))
        if function.name == "encode" and len(arguments) == 2 and type(arguments[0]) is str:
            if text(arguments[1]) not in {"latin1", "latin-1"}:
                raise _RefusedError("it encodes text as something else than Latin-1")
            self.encoded += len(arguments[0])
            if self.encoded > len(self.content):
                raise _RefusedError("it makes more bytes than it holds")
            return arguments[0].encode("latin-1")
        if function.name == "bytes" and arguments == ():
            return b""
        raise _RefusedError(f"it calls {function.name} with other arguments than data needs")

    def finish(self, unfinished: Any, state: Any) -> None:
        """Give its state to an array or a kind of number; the memo knows it by then."""
        if not isinstance(unfinished, _Unfinished) or type(state) is not tuple:
            raise _RefusedError(f"it changes a {type(unfinished).__name__}")
        if unfinished.kind == "dtype":
            order = text(state[1]) if len(state) > 1 else None
            if len(state) < 5 or order not in {"<", ">", "|", "="} or state[2:5] != (None, None, None):
                raise _RefusedError("it holds an array of records, not of numbers")
            unfinished.dtype = ("" if order == "=" else order) + unfinished.dtype.lstrip("|<>=")
            self.stack.append(unfinished)
            return
        if len(state) != 5 or type(state[3]) not in {bool, int}:
            raise _RefusedError("it holds an array with another state than NumPy's")
        whole = array(dtype_of(state[2]), state[1], state[4], "F" if state[3] else "C")
        for number in unfinished.numbers:
            self.memo[number] = whole
        self.stack.append(whole)


def is_name(value: Any, name: str) -> bool:
    return isinstance(value, _Name) and value.name == name


def text(value: Any) -> str | None:
    """Short text, which Python 2 writes as bytes; None if it is neither."""
    if type(value) is bytes:
        return value.decode("latin-1")
    return value if type(value) is str else None


def dtype_of(value: Any) -> np.dtype[Any]:
    if not isinstance(value, _Unfinished) or value.kind != "dtype":
        raise _RefusedError("it holds an array without a kind of number")
    return np.dtype(value.dtype)


def array(dtype: np.dtype[Any], shape: Any, content: Any, order: Any) -> NDArray[Any]:
    """Return a view of the bytes, after checking that there are as many as the shape says."""
    if type(shape) is not tuple or len(shape) > 16 or not all(type(k) is int and 0 <= k < 2**48 for k in shape):
        raise _RefusedError("it holds an array whose shape is none")
    if type(content) is not bytes:
        raise _RefusedError(f"it holds an array of {type(content).__name__} objects, not of numbers")
    need = math.prod(shape) * dtype.itemsize
    if need != len(content):
        raise _RefusedError(f"an array of shape {shape} and type {dtype} needs {need} bytes, and has {len(content)}")
    if dtype == np.bool_ and content.translate(None, b"\0\1"):
        raise _RefusedError("it holds truth values that are neither")
    return np.frombuffer(content, dtype).reshape(shape, order=order)


def check_plain(found: Any) -> None:
    """Only finished arrays and builtins, however deep; every container is looked into once."""
    seen: set[int] = set()
    waiting = [found]
    while waiting:
        value = waiting.pop()
        if type(value) in {list, tuple, dict}:
            if id(value) not in seen:
                seen.add(id(value))
                waiting.extend(value.values() if type(value) is dict else value)
        elif not isinstance(value, _PLAIN):
            raise _RefusedError("it holds a name or an unfinished array instead of data")
