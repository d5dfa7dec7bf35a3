"""The lake's Parquet files as Apache Iceberg tables: PyIceberg is known only here."""
