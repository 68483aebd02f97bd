"""Many pictures at once, here or on a cluster: coded, classified, packed into Parquet archives."""
