"""What the organiser runs and never gives away: simulation, conversion, the split into public and hidden, the bundle."""
