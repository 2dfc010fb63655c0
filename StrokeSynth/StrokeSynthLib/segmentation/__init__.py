"""From a brain MR to standard space, tissue, and slices as the network sees them."""
