"""The review page: one HTML file in which a curator keeps and excludes paintings."""
