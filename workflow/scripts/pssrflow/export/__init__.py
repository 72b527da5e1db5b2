"""Target export: a trained network as a model package of bioimage.io."""
