"""Build the bundles, the two zips that an organiser uploads (`build.build`)."""
