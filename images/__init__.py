"""Make: wheels, base, images and engines. Facts come from matrix.toml; nothing here measures."""
