"""The baseline's network in other libraries, with the same levels, widths, blocks and features.

Each module has `Network(config, n_classes)`: Ragged events -> (M, n_classes) logits.
"""
