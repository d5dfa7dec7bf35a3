"""Arrays of JSON that is damaged."""

from operators.wire.json_text import array_elements

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
