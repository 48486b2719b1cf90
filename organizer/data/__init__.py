"""Makes all of a competition's data: seeds, simulation, split, and tables of what came out."""
