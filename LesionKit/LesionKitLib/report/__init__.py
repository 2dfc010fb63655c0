"""One report for every module: its content, its HTML page, its PDF, its pictures and charts, and the result files."""
