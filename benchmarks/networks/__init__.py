"""The baseline's network in other libraries: same levels, widths, blocks and input features.

Each module has a `Network(config, n_classes)` that turns Ragged events into (M, n_classes) logits.
"""
