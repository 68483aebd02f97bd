"""A local web page on an archive: search, facets, pictures, and a try-out of the codec."""
