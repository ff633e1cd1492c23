"""The JSON gate: what it refuses, with which problem and path, and that what passes comes back unchanged."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.kernel import gate
from gamekeeper.kernel.gate import InvalidJson, Limits, check, dumps, parse

SMALL = Limits(max_bytes=400, max_depth=4, max_nodes=20, max_key_bytes=8, max_string_bytes=16)
PLAYER = Limits(refuse_prototype_keys=True)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-gate.MAX_INTEGER, gate.MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(["{", "}", '"', "\\", '\\"', ":", ",", '","', "[[[", "é😀", "\\u0000"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=30)


def short(argument: object) -> str:
    # An address would be another one in each process that runs the tests.
    return ascii(argument).partition(" at 0x")[0][:40]


def refused(data: bytes, limits: Limits = gate.DEFAULT) -> tuple[str, str]:
    with pytest.raises(InvalidJson) as refusal:
        parse(data, limits)
    assert refusal.value.code == "INVALID_JSON"
    assert refusal.value.problem in str(refusal.value)
    str(refusal.value).encode()  # an error about half a surrogate pair must itself be text
    return refusal.value.problem, refusal.value.path


def refused_value(value: object, limits: Limits = gate.DEFAULT) -> tuple[str, str]:
    with pytest.raises(InvalidJson) as refusal:
        check(value, limits)
    str(refusal.value).encode()
    return refusal.value.problem, refusal.value.path


@pytest.mark.parametrize(
    ("data", "problem", "path"),
    [
        (b'{"a":1,"a":1}', "duplicate_key", "/a"),
        (b'{"items":[{},{"x":{"a":1,"b":2,"a":3}}]}', "duplicate_key", "/items/1/x/a"),
        (rb'{"a":1,"\u0061":2}', "duplicate_key", "/a"),
        (rb'{"a":1,"a":"\u003a"}', "duplicate_key", "/a"),
        (b'{"a":{"a":1,"b":":"},"a":":{}[],"}', "duplicate_key", "/a"),
        (b'{"":1,"":2}', "duplicate_key", "/"),
        (b"NaN", "not_finite", ""),
        (b'{"a":[1,Infinity]}', "not_finite", "/a/1"),
        (b"[-Infinity]", "not_finite", "/0"),
        (b"[1e999]", "not_finite", "/0"),
        (b"[-1E+400]", "not_finite", "/0"),
        (b'{"a":9007199254740992}', "number_out_of_range", "/a"),
        (b"[0,-9007199254740992]", "number_out_of_range", "/1"),
        (b'{"a":18446744073709551616}', "number_out_of_range", "/a"),
        (b'{"a":' + b"9" * 5_000 + b"}", "number_out_of_range", "/a"),
        (b'{"a":-' + b"9" * 5_000 + b"}", "number_out_of_range", "/a"),
        (rb'{"name":"\ud800"}', "surrogate", "/name"),
        (rb'{"name":"\udc00 "}', "surrogate", "/name"),
        (rb'{"name":"\ud800\ud800"}', "surrogate", "/name"),
        (rb'{"a":{"\ud800":1}}', "surrogate", "/a"),
        (rb'{"a":["\u0000"]}', "nul", "/a/0"),
        (rb'{"a":{"\u0000":1}}', "nul", "/a"),
        (b'["\0"]', "syntax", ""),
        (b"\xef\xbb\xbf{}", "not_utf8", ""),
        (b'"\xff"', "not_utf8", ""),
        (b'{"\xc3":1}', "not_utf8", ""),
        (b'"\xed\xa0\x80"', "not_utf8", ""),
        (b'"\xc0\x80"', "not_utf8", ""),
        (b"\xff\xfe1\0", "not_utf8", ""),
        (b"", "syntax", ""),
        (b"  ", "syntax", ""),
        (b"1 2", "syntax", ""),
        (b"{}x", "syntax", ""),
        (b"[1,]", "syntax", ""),
        (b'{"a":1,}', "syntax", ""),
        (b"{'a':1}", "syntax", ""),
        (b"[01]", "syntax", ""),
        (b"[1", "syntax", ""),
        (b']"', "syntax", ""),
        (b"nul", "syntax", ""),
        (b'"\\x"', "syntax", ""),
        (b'{"a~b":{"c/d":[NaN]}}', "not_finite", "/a~0b/c~1d/0"),
    ],
    ids=short,
)
def test_a_bad_document_is_refused_with_its_problem_and_path(data: bytes, problem: str, path: str) -> None:
    assert refused(data) == (problem, path)


def test_a_syntax_error_names_line_and_column() -> None:
    with pytest.raises(InvalidJson, match="line 2 column 3"):
        parse(b'{"a":1,\n  b}')


@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype"])
def test_prototype_keys_are_refused_where_players_write(key: str) -> None:
    data = json.dumps({"a": [{key: 1}]}).encode()

    assert parse(data) == check({"a": [{key: 1}]}) == {"a": [{key: 1}]}
    assert refused(data, PLAYER) == ("forbidden_key", f"/a/0/{key}")
    assert refused_value({"a": [{key: 1}]}, PLAYER) == ("forbidden_key", f"/a/0/{key}")
    assert refused(rb'{"\u005f_proto__":1}', PLAYER) == ("forbidden_key", "/__proto__")


@pytest.mark.parametrize("zero", [b"-0", b"-0.0", b"-0e5", b"-0.000", b"-1e-400"])
def test_negative_zero_becomes_zero(zero: bytes) -> None:
    parsed: Any = parse(b"[" + zero + b"]")

    assert str(parsed[0]).startswith("0")
    assert check([-0.0]) == [0.0]
    assert math.copysign(1, check(-0.0)) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at_limit", "beyond", "problem", "path"),
    [
        ([[[[]]]], [[[[[]]]]], "too_deep", "/0/0/0/0"),
        ({"a": {"b": {"c": [1]}}}, {"a": {"b": {"c": [[1]]}}}, "too_deep", "/a/b/c/0"),
        ([0] * 19, [0] * 20, "too_many_nodes", ""),
        ([[0] * 9, [0] * 8], [[0] * 9, [0] * 9], "too_many_nodes", "/1"),
        ({"a" * 8: 1}, {"a" * 9: 1}, "key_too_long", ""),
        ({"é" * 4: 1}, {"x": {"é" * 5: 1}}, "key_too_long", "/x"),
        (["a" * 16], ["a" * 17], "string_too_long", "/0"),
        (["é" * 8], ["é" * 9], "string_too_long", "/0"),
        ("😀" * 4, "😀" * 5, "string_too_long", ""),
        (["a" * 16] * 19, ["é" * 8] * 19, None, ""),
        ([{"a" * 8: "b" * 16}] * 9, [{"\n" * 8: "b" * 16, "c" * 8: "\n" * 16}] * 6, "too_large", ""),
    ],
    ids=short,
)
def test_limits_hold_alike_for_bytes_and_values(at_limit: Any, beyond: Any, problem: str | None, path: str) -> None:
    assert parse(dumps(at_limit), SMALL) == check(at_limit, SMALL) == at_limit

    if problem is None:
        assert parse(dumps(beyond), SMALL) == check(beyond, SMALL) == beyond
        return
    assert refused_value(beyond, SMALL) == (problem, path)
    assert refused(dumps(beyond), SMALL)[0] == problem


def test_what_is_larger_when_stored_than_when_sent_is_refused() -> None:
    limits = Limits(max_bytes=40)

    assert parse(b"[1e15,1e15]", limits) == [1e15, 1e15]
    assert refused(b"[1e15,1e15,1e15,1e15,1e15]", limits) == ("too_large", "")

    many_digits = b"[0." + b"3" * 110 + b",1e15" * 10 + b"]"  # read the slow way
    assert len(many_digits) < 170
    assert refused(many_digits, Limits(max_bytes=170)) == ("too_large", "")


def test_a_hostile_document_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(gate, "_DECODE", unexpected)
    monkeypatch.setattr(gate, "_parse_slowly", unexpected)
    mib = 1024 * 1024

    assert refused(b"[" * mib) == ("too_deep", "")
    assert refused(b'{"a":' * 1_000) == ("too_deep", "")
    assert refused(b'[{"a":' * 1_000 + b"1" + b"}]" * 1_000) == ("too_deep", "")
    for unit in (b"0,", b"[],", b'"",', b'{"":0},', b"[]", b"]", b'"', b'"\\"",', b"1e999,"):
        assert refused(b"[" + unit * ((mib - 1) // len(unit))) == ("too_many_nodes", "")
    assert refused(b" " * (mib + 1)) == ("too_large", "")


def test_brackets_and_quotes_inside_of_strings_are_no_structure() -> None:
    value = {"[[[[[[[[": ["{" * 1_000, '"' * 50, "\\" * 50, '\\"' * 50, '","', "]]"], 'a"b\\': ":,:,:"}

    assert parse(dumps(value), SMALL_DEPTH) == value  # type: ignore[arg-type]
    assert parse(json.dumps(value).encode(), SMALL_DEPTH) == value
    assert refused(json.dumps({"a": [[['"']]], "b": '\\"[['}).encode(), SMALL_DEPTH) == ("too_deep", "")


SMALL_DEPTH = Limits(max_depth=3)


def test_many_long_integers_are_counted_and_never_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_DECODE", lambda _: pytest.fail("converted"))

    assert refused(b"[" + b",".join([b"1" * 4_000] * 200) + b"]") == ("number_out_of_range", "/0")
    assert refused(b"1" * 1_000_000) == ("number_out_of_range", "")


def test_a_fraction_may_have_many_digits() -> None:
    assert parse(b'{"third":0.' + b"3" * 200 + b"}") == {"third": 1 / 3}


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "problem", "path"),
    [
        ({1: "a"}, "wrong_type", ""),
        ({"a": {None: 1}}, "wrong_type", "/a"),
        ({"a": [1, {2}]}, "wrong_type", "/a/1"),
        ([b"bytes"], "wrong_type", "/0"),
        ([Name("a")], "wrong_type", "/0"),
        ([{"a": 1}, {Name("a"): 1}], "wrong_type", "/1"),
        (object(), "wrong_type", ""),
        ([math.nan], "not_finite", "/0"),
        ({"a": math.inf}, "not_finite", "/a"),
        ([2**53], "number_out_of_range", "/0"),
        (-(10**4_000), "number_out_of_range", ""),
        (["\ud800"], "surrogate", "/0"),
        ({"a": {"\udfff": 1}}, "surrogate", "/a"),
        (("a\0",), "nul", "/0"),
        ({"a": {"\0": 1}}, "nul", "/a"),
        ({"a": "x" * 70_000}, "string_too_long", "/a"),
        (["x" * 60_000] * 20, "too_large", "/17"),
        ([0] * 1_000_000, "too_many_nodes", ""),
    ],
    ids=short,
)
def test_a_bad_python_value_is_refused_with_its_problem_and_path(value: object, problem: str, path: str) -> None:
    assert refused_value(value) == (problem, path)


def test_a_value_that_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append({"again": ring})
    bomb: Any = "x"
    for _ in range(30):
        bomb = [bomb] * 10

    assert refused_value(ring)[0] == "too_deep"
    assert refused_value(bomb)[0] == "too_many_nodes"


def test_check_copies_deeply_and_leaves_its_input_alone() -> None:
    inner = [1, -0.0, (2, {"b": ()})]
    value = {"a": inner, "flag": True, "none": None}

    copy: Any = check(value)

    assert copy == {"a": [1, 0.0, [2, {"b": []}]], "flag": True, "none": None}
    assert copy["flag"] is True
    assert copy["a"] is not inner
    assert str(inner) == "[1, -0.0, (2, {'b': ()})]"


@given(VALUES)
def test_what_passes_comes_back_and_is_stable_to_the_byte(value: Any) -> None:
    checked = check(value)
    stored = dumps(checked)

    assert parse(stored) == checked == value
    assert dumps(parse(stored)) == stored
    assert str(parse(stored)) == str(checked)  # types and the order of keys as well


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_every_spelling_of_a_document_is_read_alike(value: Any, indent: int | None, ascii_only: bool) -> None:
    spelled = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()

    assert str(parse(spelled)) == str(check(value))


@given(VALUES, st.randoms(use_true_random=False), st.sampled_from([gate.DEFAULT, SMALL, PLAYER]))
def test_a_damaged_document_is_refused_or_read_as_the_standard_library_reads_it(value: Any, rng: random.Random, limits: Limits) -> None:
    data = bytearray(json.dumps(value, ensure_ascii=rng.random() < 0.5).encode())
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randint(0, 2)] = rng.choice(
            [b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"0", b"-", b"e", b"\xff", b'"":', b"\\u0000"]
        )
    try:
        parsed = parse(bytes(data), limits)
    except InvalidJson:
        return
    assert parsed == json.loads(data)
    assert check(parsed, limits) == parsed
    assert parse(dumps(parsed), limits) == parsed


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "a:", 'a"', "a,", "{"]), SCALARS), max_size=6), st.booleans())
def test_a_key_that_stands_twice_is_always_found(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    members = ",".join(f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=ascii_only)}" for key, value in pairs)
    data = f"[{{{members}}}]".encode()
    keys = [key for key, _ in pairs]

    if len(set(keys)) == len(keys):
        assert parse(data) == [dict(pairs)]
    else:
        assert refused(data)[0] == "duplicate_key"
