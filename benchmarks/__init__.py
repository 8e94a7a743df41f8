"""How fast hangtag tags, beside its own bound and beside other ways to do the same."""
