"""What others archive or check: tables, RO-Crate, MLPerf's submission tree."""
