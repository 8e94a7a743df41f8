"""The REST API: photos in over HTTP, tags out."""
