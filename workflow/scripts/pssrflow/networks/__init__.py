"""Networks by name: (n, 1, y, x) float32 to (n, 1, scale * y, scale * x), for any y and x."""
