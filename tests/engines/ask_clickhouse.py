"""ClickHouse (chdb), run by the tests with the engines' own Python: queries in, rows out, as JSON.

stdin: {"tables": {name: table function}, "queries": [SQL with {name}]}; stdout: {"rows": [...], "pruned": [...]}
"""

import json
import os
import sys

import chdb

_PRUNED = "select sum(value) from system.events where event like 'Iceberg%PrunedFiles'"


def main() -> None:
    asked = json.load(sys.stdin)
    os.chdir("/")  # the folder below which it may read local files
    session = chdb.session.Session()

    def rows(sql: str) -> list[list[object]]:
        said = session.query(sql, "JSONCompactEachRow").bytes().decode()
        return [json.loads(line) for line in said.splitlines()]

    for name, function in asked["tables"].items():
        session.query(f"create or replace view {name} as select * from {function}")
    found, pruned = [], []
    for query in asked["queries"]:
        before = int(rows(_PRUNED)[0][0])
        found.append(rows(query))
        pruned.append(int(rows(_PRUNED)[0][0]) - before)
    print(json.dumps({"rows": found, "pruned": pruned}))


if __name__ == "__main__":
    main()
