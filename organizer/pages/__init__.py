"""The competition's pages: their tables and pictures, and what a platform can show of them."""
