"""Make the tables and pictures of the competition's pages, and convert pages for the platforms."""
