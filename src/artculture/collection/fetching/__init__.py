"""Download of paintings and their records from museums: HTTP client, ledger, manifest."""
