"""The review page: one HTML file on which a curator keeps and excludes paintings."""
