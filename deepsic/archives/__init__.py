"""Archives of many pictures in Parquet files, on this machine or in an object store."""
