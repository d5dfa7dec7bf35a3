"""Numbers by value are the same whether each value has flags or pairs are sorted, and as a set tells them."""

import random
from collections import defaultdict

import pyarrow as pa
import pytest

from viewer import distinct
from viewer.distinct import distinct_by_value


@pytest.mark.parametrize("flags_max", [1 << 26, 0])
@pytest.mark.parametrize(("rows", "batch_rows"), [(0, 10), (1, 1), (5_000, 700)])
def test_numbers_are_counted_by_value(
    monkeypatch: pytest.MonkeyPatch, rows: int, batch_rows: int, flags_max: int
) -> None:
    monkeypatch.setattr(distinct, "_FLAGS_MAX", flags_max)
    dice = random.Random(1)
    columns = {
        "number": [2**64 - 1 - dice.randrange(900) for _ in range(rows)],
        "few": [2**63 + dice.randrange(3) for _ in range(rows)],
        "many": [dice.randrange(700) for _ in range(rows)],
    }
    table = pa.table(columns, pa.schema({name: pa.uint64() for name in columns}))
    expected = defaultdict[tuple[str, object], set[int]](set)
    for number, few, many in zip(*columns.values(), strict=True):
        for place in (("", None), ("few", few), ("many", many)):
            expected[place].add(number)
    counted = {place: len(some) for place, some in expected.items()}
    assert distinct_by_value(table.to_batches(batch_rows), ["few", "many"]) == {("", None): 0} | counted
