"""Between repositories: LSST's export YAML, and transfers."""
