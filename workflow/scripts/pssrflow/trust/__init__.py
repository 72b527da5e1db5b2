"""Stage trust: where a prediction is not to be believed, with promises that hold on new data."""
