"""One run on several devices, one process per device."""
