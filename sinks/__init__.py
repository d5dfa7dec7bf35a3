"""Where the data rests: object store, packs, Parquet tables, replay blobs, the two-phase lake sink."""
