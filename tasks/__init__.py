"""Tasks that warp exposures and assemble coadds, and the runner that executes them."""
