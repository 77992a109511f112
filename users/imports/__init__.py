"""Users from a CSV or XLSX file: read, compared with the directory, shown row by row, and only then written."""
