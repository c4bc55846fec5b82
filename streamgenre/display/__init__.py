"""Words, numbers and colours shared by the dashboard, tables and reports."""
