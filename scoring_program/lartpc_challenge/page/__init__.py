"""The page of detailed results. `report` makes it with `charts`, `html_parts` and `colours`."""
