"""Web page and JSON API of trained classifiers."""
