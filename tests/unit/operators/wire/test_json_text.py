"""JSON that is damaged."""

import msgspec
import pytest

from operators.wire.json_text import array_elements, with_numbers

_DAMAGED = b'[-9\xb2, {"a": 1}, {"b": [2]}, {"c'


def test_the_damage_costs_one_element() -> None:
    assert [b" ".join(one.split()).strip(b", ") for one in array_elements(_DAMAGED, 100)] == [
        b"-9\xb2",
        b'{"a": 1}',
        b'{"b": [2]}',
        b'{"c',
    ]


def test_the_deeper_a_damaged_array_lies_the_less_of_it_is_looked_at() -> None:
    text = b"[-9\xb2," + b"{}," * 4_000
    counts = [len(array_elements(text, 10_000, depth)) for depth in range(8)]
    assert counts[0] == 4_001
    assert counts[-1] < 100
    assert counts == sorted(counts, reverse=True)
    assert b"".join(array_elements(text, 10_000, 7)).count(b"{}") == 4_000  # what is behind is one piece


@pytest.mark.parametrize("unit", [b'\\"', b'\\\\"', b'"', b"\\", b'"NaN'])
def test_a_text_that_is_cut_is_read_once(unit: bytes) -> None:
    text = b'["NaN",NaN,"' + unit * 2_000_000  # if each quote in it began one, this would take hours
    with pytest.raises(msgspec.DecodeError):
        with_numbers(text, msgspec.json.decode)


def test_what_is_no_number_is_null_outside_of_texts() -> None:
    text = rb'["NaN \" NaN\\",NaN,-Infinity,"Infinity"]'
    found, plain = with_numbers(text, msgspec.json.decode)
    assert found == ['NaN " NaN\\', None, None, "Infinity"]
    assert plain == rb'["NaN \" NaN\\",null,null,"Infinity"]'
