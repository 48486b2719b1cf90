"""The page of detailed results: report <- charts, html_parts <- colours."""
