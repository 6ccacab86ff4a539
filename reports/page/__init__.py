"""HTML pages that need nothing else: templates and style."""
