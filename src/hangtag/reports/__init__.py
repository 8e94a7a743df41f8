"""Reports: self-contained HTML files that open offline, print well and fit a phone."""
