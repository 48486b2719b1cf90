"""The data as a publication: the files, a data card, and descriptions that machines read."""
