"""The commands that need most options, by what they are for; `hangtag.cli` registers them."""
