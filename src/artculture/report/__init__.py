"""Tables and figures of a study to one HTML page, and the same in Markdown."""
