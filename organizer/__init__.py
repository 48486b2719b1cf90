"""What an organiser runs and gives to nobody: simulation, conversion, the split, the bundles."""

from lartpc_challenge.command import quiet_while_importing

quiet_while_importing()
