"""The papers that Assay reproduces, one folder each."""
