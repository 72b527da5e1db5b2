"""Stage predict: tiles of a plane through a network, into a store of any size."""
