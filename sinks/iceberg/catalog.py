"""A catalog of Iceberg tables, of any kind that PyIceberg knows, and the tables of a lake in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyiceberg import types
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchTableError,
    NotInstalledError,
    RESTError,
    ServiceUnavailableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import DayTransform
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from schemas.errors import MustAct
from schemas.fields import Field
from schemas.keys import ICEBERG
from schemas.tables import TABLES
from sinks.iceberg.options import CatalogFault, CatalogOptions, IcebergMissing
from sinks.store import LocalStore, ObjectStore

# Rows of a file have one UTC day in this column, that of its `dt`. A segment is filed under its session's day instead.
DAY_COLUMNS = {name: "received_at" for name in TABLES if name != "replay_segments"} | {"sessions": "received_start"}
DAY_FIELD = "day"
_NAME_MAPPING = "schema.name-mapping.default"
_PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    "write.metadata.previous-versions-max": "1",  # older ones are retired with everything that nothing reaches
    "write.metadata.delete-after-commit.enabled": "false",
    "commit.retry.num-retries": "0",  # what is to be committed is worked out anew instead
    "write.delete.mode": "merge-on-read",
}


def location_of(store: ObjectStore) -> str:
    """The lake as a URI, without a slash at the end."""
    return f"file://{store.uri}" if isinstance(store, LocalStore) else store.uri


def open_catalog(store: ObjectStore, options: CatalogOptions) -> Catalog:
    """PyIceberg's catalog. Raises IcebergMissing, MustAct, CatalogFault."""
    properties = dict(options.properties)
    if not properties:
        if not isinstance(store, LocalStore):
            raise MustAct(
                f"{store.uri}: which catalog has its tables? Set iceberg.catalog (REPLAYLAKE_ICEBERG__CATALOG) "
                'to, for example, {"type": "rest", "uri": "https://catalog.example.com"}, {"type": "glue"} or '
                '{"type": "sql", "uri": "sqlite:////var/lib/replaylake/catalog.db"}'
            )
        store.put({f"{ICEBERG}.keep": b""})  # SQLite makes a file, not its folder
        properties = {"type": "sql", "uri": f"sqlite:///{store.uri}/{ICEBERG}catalog.db"}
    properties.setdefault("warehouse", location_of(store))
    try:
        with faults():
            return load_catalog(options.name, **(dict(options.file_io) | properties))
    except (NotInstalledError, ModuleNotFoundError) as error:
        raise IcebergMissing(f"iceberg.catalog: {error}") from error
    except ValueError as error:
        raise MustAct(f"iceberg.catalog: {error}") from error


@contextmanager
def faults() -> Iterator[None]:
    """What a catalog or its store raises, as an error of ours."""
    try:
        yield
    except CommitFailedException:
        raise
    except (SQLAlchemyError, RESTError, ServiceUnavailableError, RequestException, OSError) as error:
        raise CatalogFault(f"the Iceberg catalog, or the store of its metadata: {error}") from error


def lake_table(catalog: Catalog, store: ObjectStore, namespace: str, name: str) -> Table:
    """A table of the lake: made where it is not there yet, with the columns and the partition of this release."""
    identifier = (namespace, name)
    try:
        table = catalog.load_table(identifier)
    except NoSuchTableError:
        catalog.create_namespace_if_not_exists((namespace,))
        try:
            table = catalog.create_table(
                identifier,
                _schema(name),
                location=location_of(store),
                partition_spec=UNPARTITIONED_PARTITION_SPEC,
                properties=_PROPERTIES
                | {
                    "format-version": "2",
                    "comment": TABLES[name].doc,
                    "write.metadata.path": f"{location_of(store)}/{ICEBERG}{name}",
                },
            )
        except TableAlreadyExistsError:
            table = catalog.load_table(identifier)
    _add_columns(table, name)
    _map_names(table)
    _add_partition(table, name)
    return table


def _schema(name: str) -> Schema:

    columns = TABLES[name].fields
    return Schema(
        *(
            types.NestedField(
                number, field.name, _type(field, number + 1000), required=not field.nullable, doc=_doc(field)
            )
            for number, field in enumerate(columns, 1)
        )
    )


def _type(field: Field, number: int) -> types.IcebergType:
    """`number`: of the column; ids that are free in the new schema, which the catalog replaces by its own."""
    if field.type == "map<string,string>":
        return types.MapType(2_000 + number, types.StringType(), 4_000 + number, types.StringType())
    known = {
        "string": types.StringType,
        "int64": types.LongType,
        "double": types.DoubleType,
        "bool": types.BooleanType,
        "timestamp": types.TimestamptzType,
        "binary": types.BinaryType,
    }
    return known[field.type]()


def _doc(field: Field) -> str:
    return field.doc + (f" ({field.unit})" if field.unit else "")


def _add_columns(table: Table, name: str) -> None:
    there = {field.name for field in table.schema().fields}
    missing = [field for field in TABLES[name].fields if field.name not in there]
    if missing:
        with table.update_schema() as update:
            for number, field in enumerate(missing):
                update.add_column(field.name, _type(field, number), _doc(field))


def _map_names(table: Table) -> None:
    """Files have no ids of columns, because catalogs give each table its own: readers go by name."""
    names = table.schema().name_mapping.model_dump_json()
    if table.properties.get(_NAME_MAPPING) != names:
        with table.transaction() as transaction:
            transaction.set_properties({_NAME_MAPPING: names})


def _add_partition(table: Table, name: str) -> None:

    if name in DAY_COLUMNS and not any(field.name == DAY_FIELD for field in table.spec().fields):
        with table.update_spec() as update:
            update.add_field(DAY_COLUMNS[name], DayTransform(), DAY_FIELD)
