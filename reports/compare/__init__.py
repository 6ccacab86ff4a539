"""One run against another: what is compared, judged, told."""
