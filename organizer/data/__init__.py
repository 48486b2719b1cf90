"""Make the data of a competition: seeds, simulation, split, and tables that describe the result."""
