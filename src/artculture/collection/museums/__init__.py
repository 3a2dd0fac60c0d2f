"""One module a museum, or a route to one: its `Options` and its `Museum`."""
