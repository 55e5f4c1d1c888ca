"""Files, tables, results and the archive: what is stored, and what is known of a size."""
