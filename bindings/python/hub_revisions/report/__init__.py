"""One page about a repository's revisions, for people."""
